//! What the service listens to.

mod commands;
mod loaders;
mod requests;

use crate::AgentGateway;
use messaging::Subscription;

/// Lists the subscriptions.
pub(crate) fn subscriptions() -> Vec<Subscription<AgentGateway>> {
    vec![
        commands::subscription(),
        loaders::subscription(),
        requests::subscription(),
        auth::subscription(),
    ]
}
