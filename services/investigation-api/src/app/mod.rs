//! What investigation-api can do; each file is one use case.

mod accept_action;
mod api_key;
mod bootstrap;
mod cancel_action;
mod change_investigators;
mod count_fleet;
mod keep_commands;
mod keep_loaders;
mod meters;
mod preview_target;
mod refusals;
mod retain;
mod search;
mod show_actions;
mod show_commands;
mod steer_action;
mod take_proposal;
mod tell_investigators;
mod verify_audit;
mod watch_actions;

pub(crate) use accept_action::Reach;
pub(crate) use change_investigators::{ApiKey, Candidate, Change};
pub(crate) use keep_commands::Told;
pub(crate) use search::Found;
pub(crate) use steer_action::Steer;
pub(crate) use verify_audit::Audit;
pub(crate) use watch_actions::{Event, WatchError, Watched};

use auth::Replica;
use messaging::{Bus, Shutdown};
use service::{Notes, Parts, Tasks};
use store::Store;
use types::Clock;

/// Holds what the use cases need.
pub struct App {
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) replica: Replica,
    pub(crate) clock: Clock,
    pub(crate) notes: Notes,
    pub(crate) watchers: watch_actions::Watchers,
    tasks: Tasks,
    shutdown: Shutdown,
}

impl App {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { store, bus, replica, clock, tasks, shutdown, .. } = parts;
        let (notes, watchers) = Default::default();
        Self { store, bus, replica, clock, notes, watchers, tasks, shutdown }
    }
}
