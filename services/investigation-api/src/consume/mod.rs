//! What investigation-api listens to.

mod audit;
mod investigators;
mod loaders;
mod proposals;
mod replicas;
mod runs;
mod watchers;

use crate::InvestigationApi;
use messaging::{Queue, Subscription};
use types::Message;
use types::messages::{
    ActionChanged, ActionProposed, AuditNoted, CommandDelivered, CommandIssued, CommandPlanned,
    CommandReturned, CommandWithdrawn, InvestigatorChanged, LoaderChanged, LoaderDigest,
    ManifestChanged, ReplicaRequested,
};

pub(crate) fn subscriptions() -> Vec<Subscription<InvestigationApi>> {
    vec![
        // one stream, so that what the scheduler says of a run comes after the commands and answers it speaks of
        Subscription {
            queue: Queue::Stream("runs"),
            kinds: &[
                ActionChanged::KIND,
                CommandPlanned::KIND,
                CommandIssued::KIND,
                CommandDelivered::KIND,
                CommandWithdrawn::KIND,
                CommandReturned::KIND,
            ],
            handle: |service, batch| Box::pin(runs::handle(service, batch)),
            connected: None,
        },
        Subscription {
            queue: Queue::Stream("proposals"),
            kinds: &[ActionProposed::KIND],
            handle: |service, batch| Box::pin(proposals::handle(service, batch)),
            connected: None,
        },
        fleet::subscription(),
        Subscription {
            queue: Queue::Stream("loaders"),
            kinds: &[LoaderChanged::KIND, ManifestChanged::KIND, LoaderDigest::KIND],
            handle: |service, batch| Box::pin(loaders::handle(service, batch)),
            connected: None,
        },
        Subscription {
            queue: Queue::Stream("audit"),
            kinds: &[AuditNoted::KIND],
            handle: |service, batch| Box::pin(audit::handle(service, batch)),
            connected: None,
        },
        Subscription {
            queue: Queue::Stream("replicas"),
            kinds: &[ReplicaRequested::KIND],
            handle: |service, batch| Box::pin(replicas::handle(service, batch)),
            connected: None,
        },
        // every process has the keys in its own memory
        Subscription {
            queue: Queue::Process("investigators"),
            kinds: &[InvestigatorChanged::KIND],
            handle: |service, _batch| Box::pin(investigators::handle(service)),
            connected: Some(|service| Box::pin(investigators::connected(service))),
        },
        // every process has callers who watch actions
        Subscription {
            queue: Queue::Process("watchers"),
            kinds: &[ActionChanged::KIND],
            handle: |service, batch| Box::pin(async { watchers::handle(service, batch) }),
            connected: Some(|service| Box::pin(async { watchers::connected(service) })),
        },
    ]
}
