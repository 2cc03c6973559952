//! What the service listens to.

mod steps;

use crate::ManualInteraction;
use messaging::Subscription;

pub(crate) fn subscriptions() -> Vec<Subscription<ManualInteraction>> {
    vec![auth::subscription(), steps::subscription()]
}
