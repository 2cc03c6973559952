//! Loaders, from loader-manifest.

use crate::AgentGateway;
use messaging::{Delivery, Outcome, Queue, Subscription};
use types::Message;
use types::messages::LoaderChanged;

/// Takes loaders that were made, changed or heard.
pub(super) fn subscription() -> Subscription<AgentGateway> {
    Subscription {
        queue: Queue::Stream("loaders"),
        kinds: &[LoaderChanged::KIND],
        handle: |gateway, batch| {
            Box::pin(async { take(gateway, batch).await.err().unwrap_or(Outcome::Done) })
        },
        connected: None,
    }
}

async fn take(gateway: &AgentGateway, batch: &[Delivery]) -> Result<(), Outcome> {
    let changed: Result<Vec<_>, Outcome> =
        batch.iter().map(|delivery| Ok(delivery.decode::<LoaderChanged>()?.data)).collect();
    Ok(gateway.app.keep_loaders(&changed?).await?)
}
