//! What manual-interaction can do; each file is one use case.

mod answer_step;
mod assign_step;
mod deliver;
mod expire_steps;
mod notify;
mod show_steps;
mod sign_in;
mod take_steps;

use crate::config::Config;
use crate::notify::Channels;
use auth::Replica;
use messaging::Bus;
use service::Parts;
use store::Store;
use tokio::sync::Notify;
use types::Clock;
use web::Origin;

/// Holds what the use cases need.
pub struct App {
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) replica: Replica,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) channels: Channels,
    pub(crate) origin: Origin,
    /// Is called when there is something to be told outside.
    pub(crate) to_tell: Notify,
}

impl App {
    pub(crate) fn new(parts: Parts, config: Config) -> anyhow::Result<Self> {
        let Parts { store, bus, replica, clock, origin, .. } = parts;
        let channels = Channels::new(&config)?;
        Ok(Self { store, bus, replica, clock, config, channels, origin, to_tell: Notify::new() })
    }

    /// Wakes who sends: the relay to the other services, and who tells people.
    fn wake(&self) {
        self.bus.wake();
        self.to_tell.notify_one();
    }
}
