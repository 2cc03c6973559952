//! Loaders, from loader-manifest.

use crate::AgentGateway;
use messaging::{Delivery, Outcome, Queue, Subscription};
use types::Message;
use types::messages::{LoaderChanged, LoaderDigest};

/// Takes loaders that were made, changed or heard, and how many there are.
pub(super) fn subscription() -> Subscription<AgentGateway> {
    Subscription {
        queue: Queue::Stream("loaders"),
        kinds: &[LoaderChanged::KIND, LoaderDigest::KIND],
        handle: |gateway, batch| {
            Box::pin(async { take(gateway, batch).await.err().unwrap_or(Outcome::Done) })
        },
        connected: None,
    }
}

async fn take(gateway: &AgentGateway, batch: &[Delivery]) -> Result<(), Outcome> {
    let (mut changed, mut digest) = (Vec::new(), None);
    for delivery in batch {
        match delivery.kind.as_str() {
            LoaderDigest::KIND => digest = Some(delivery.decode::<LoaderDigest>()?.data),
            _ => changed.push(delivery.decode::<LoaderChanged>()?.data),
        }
    }
    Ok(gateway.app.keep_loaders(&changed, digest.as_ref()).await?)
}
