//! How a copy hears its owner.

use crate::Replica;
use messaging::{BoxFuture, Bus, Delivery, Outcome, Queue, Subscription};
use store::{Failure, Store};
use types::messages::{InvestigatorChanged, InvestigatorDigest};
use types::{Clock, Message};

/// Is a service that keeps a copy of the investigators.
pub trait HasReplica: Send + Sync + 'static {
    /// Gives the copy.
    fn replica(&self) -> &Replica;
    /// Gives the service's database.
    fn store(&self) -> &Store;
    /// Gives the service's way to the broker.
    fn bus(&self) -> &Bus;
    /// Gives the service's clock.
    fn clock(&self) -> &Clock;
}

/// Keeps the copy of a service up to date; every process has its own memory, and so its own queue.
pub fn subscription<S: HasReplica>() -> Subscription<S> {
    Subscription {
        queue: Queue::Process("investigators"),
        kinds: &[InvestigatorChanged::KIND, InvestigatorDigest::KIND],
        handle: |service, batch| Box::pin(async move { outcome(take(service, batch).await) }),
        connected: Some(connected::<S>),
    }
}

/// Asks for everything: what was said while the queue did not exist was missed.
fn connected<S: HasReplica>(service: &S) -> BoxFuture<'_, ()> {
    Box::pin(async move {
        let now = service.clock().now();
        let asked = service.store().tx(async |conn| -> Result<(), Failure> {
            Ok(service.replica().ask(conn, service.bus(), now).await?)
        });
        match asked.await {
            Ok(()) => service.bus().wake(),
            // the next digest that differs asks again
            Err(error) => tracing::warn!(%error, "the investigators could not be asked for"),
        }
    })
}

async fn take<S: HasReplica>(service: &S, batch: &[Delivery]) -> Result<(), Outcome> {
    let mut states = Vec::new();
    let mut digest = None;
    for delivery in batch {
        if delivery.kind == InvestigatorDigest::KIND {
            digest = Some(delivery.decode::<InvestigatorDigest>()?.data);
        } else {
            states.push(delivery.decode::<InvestigatorChanged>()?.data);
        }
    }
    let (replica, now) = (service.replica(), service.clock().now());
    service
        .store()
        .tx(async |conn| -> Result<(), Failure> { Ok(replica.apply_all(conn, &states).await?) })
        .await?;
    replica.learn(&states);
    let Some(digest) = digest else { return Ok(()) };
    let equal = service
        .store()
        .tx(async |conn| -> Result<bool, Failure> {
            Ok(replica.hear_digest(conn, service.bus(), &digest, now).await?)
        })
        .await?;
    if !equal {
        service.bus().wake();
    }
    Ok(())
}

fn outcome(taken: Result<(), Outcome>) -> Outcome {
    taken.err().unwrap_or(Outcome::Done)
}
