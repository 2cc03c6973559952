//! What the service listens to.

mod commands;
mod requests;

use crate::AgentGateway;
use messaging::Subscription;

/// Lists the subscriptions.
pub(crate) fn subscriptions() -> Vec<Subscription<AgentGateway>> {
    vec![commands::subscription(), requests::subscription(), auth::subscription()]
}
