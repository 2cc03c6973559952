//! Requests for everything, from copies that are new or stale.

use crate::AgentGateway;
use messaging::{Delivery, Outcome, Queue, Subscription};
use types::Message;
use types::messages::ReplicaRequested;

/// Takes requests; those for other owners' things are not ours.
pub(super) fn subscription() -> Subscription<AgentGateway> {
    Subscription {
        queue: Queue::Stream("requests"),
        kinds: &[ReplicaRequested::KIND],
        handle: |gateway, batch| {
            Box::pin(async { take(gateway, batch).await.err().unwrap_or(Outcome::Done) })
        },
        connected: None,
    }
}

/// Answers any number of requests once. No inbox: to answer again does no harm, and takes a transaction per 200 agents.
async fn take(gateway: &AgentGateway, batch: &[Delivery]) -> Result<(), Outcome> {
    let mut wanted = false;
    for delivery in batch {
        wanted |= delivery.decode::<ReplicaRequested>()?.data.of == "agent";
    }
    if wanted {
        gateway.app.resend_agents().await?;
    }
    Ok(())
}
