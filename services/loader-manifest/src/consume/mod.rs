//! What loader-manifest listens to.

mod investigators;
mod requests;

use crate::LoaderManifest;
use messaging::{Queue, Subscription};
use types::Message;
use types::messages::{InvestigatorChanged, ReplicaRequested};

pub(crate) fn subscriptions() -> Vec<Subscription<LoaderManifest>> {
    vec![
        auth::subscription(),
        // beside this process's copy: whoever signed and may no longer
        Subscription {
            queue: Queue::Stream("signers"),
            kinds: &[InvestigatorChanged::KIND],
            handle: |service, batch| Box::pin(investigators::handle(service, batch)),
            connected: None,
        },
        Subscription {
            queue: Queue::Stream("requests"),
            kinds: &[ReplicaRequested::KIND],
            handle: |service, batch| Box::pin(requests::handle(service, batch)),
            connected: None,
        },
    ]
}
