//! What investigation-api can do; each file is one use case.

mod accept_action;
mod bootstrap;
mod cancel_action;
mod keep_commands;
mod preview_target;
mod show_actions;
mod show_commands;
mod tell_investigators;

pub(crate) use accept_action::Reach;
pub(crate) use keep_commands::Told;
pub(crate) use show_commands::Shown;

use auth::Replica;
use messaging::Bus;
use service::Parts;
use store::Store;
use types::Clock;

/// Holds what the use cases need.
pub struct App {
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) replica: Replica,
    pub(crate) clock: Clock,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { store, bus, replica, clock, .. } = parts;
        Self { store, bus, replica, clock }
    }
}
