//! What the scheduler can do; each file is one use case and one transaction.

mod cancel_run;
mod dispatch_run;
mod end_runs;
mod launch_run;
mod meters;
mod publish_runs;
mod record_results;
mod steer_run;
mod take_action;

pub(crate) use take_action::Accepted;

use auth::Replica;
use messaging::Bus;
use service::Parts;
use store::Store;
use tokio::sync::Notify;
use types::Clock;

/// Holds what the use cases need.
pub struct App {
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) replica: Replica,
    pub(crate) clock: Clock,
    /// Is told when a run may be due, so that launching does not wait for the next sweep.
    pub(crate) due: Notify,
    /// Is told when more commands may be due to be given out.
    pub(crate) held: Notify,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { store, bus, replica, clock, .. } = parts;
        Self { store, bus, replica, clock, due: Notify::new(), held: Notify::new() }
    }
}
