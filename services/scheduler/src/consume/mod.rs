//! What the scheduler listens to.

mod actions;
mod commands;
mod manual;

use crate::Scheduler;
use messaging::{Queue, Subscription};
use types::Message;
use types::messages::{
    ActionAccepted, ActionCancelled, ActionRefused, ActionSteered, CommandReturned, ManualAnswered,
    ManualExpired,
};

pub(crate) fn subscriptions() -> Vec<Subscription<Scheduler>> {
    vec![
        Subscription {
            queue: Queue::Stream("actions"),
            kinds: &[ActionAccepted::KIND, ActionCancelled::KIND, ActionSteered::KIND],
            handle: |service, batch| Box::pin(actions::handle(service, batch)),
            connected: None,
        },
        Subscription {
            queue: Queue::Stream("commands"),
            kinds: &[CommandReturned::KIND],
            handle: |service, batch| Box::pin(commands::handle(service, batch)),
            connected: None,
        },
        Subscription {
            queue: Queue::Stream("manual"),
            kinds: &[ManualAnswered::KIND, ManualExpired::KIND, ActionRefused::KIND],
            handle: |service, batch| Box::pin(manual::handle(service, batch)),
            connected: None,
        },
        fleet::subscription(),
        auth::subscription(),
    ]
}
