//! Follows the owner: takes what it tells, and asks for everything while there is nothing.

use crate::{apply_changed, apply_seen, is_empty, remove_gone};
use auth::HasReplica;
use messaging::{Delivery, Outcome, Queue, Subscription};
use store::Failure;
use types::Message;
use types::messages::{AgentChanged, AgentSeen, ReplicaRequested};

/// How long rows of MIG agents that are gone are kept; agent-gateway keeps them as long.
const GONE_KEPT: time::Duration = time::Duration::days(30);
/// How many rows are removed at a time.
const AT_ONCE: i64 = 5_000;

/// Takes changed and seen agents into the copy of the service `S`.
pub fn subscription<S: HasReplica + 'static>() -> Subscription<S> {
    Subscription {
        queue: Queue::Stream("agents"),
        kinds: &[AgentChanged::KIND, AgentSeen::KIND],
        handle: |service, batch| {
            Box::pin(async move {
                match take(service, batch).await {
                    Ok(()) => Outcome::Done,
                    Err(outcome) => outcome,
                }
            })
        },
        connected: None,
    }
}

/// Takes a batch in one transaction. No inbox: what is not newer than the copy changes nothing.
async fn take<S: HasReplica>(service: &S, batch: &[Delivery]) -> Result<(), Outcome> {
    let mut changed = Vec::new();
    let mut seen = Vec::new();
    for delivery in batch {
        match delivery.kind.as_str() {
            AgentChanged::KIND => changed.push(delivery.decode::<AgentChanged>()?.data),
            _ => seen.push(delivery.decode::<AgentSeen>()?.data),
        }
    }
    let kept = service.store().tx(async |conn| -> Result<(), Failure> {
        if !changed.is_empty() {
            apply_changed(conn, &changed).await?;
        }
        if !seen.is_empty() {
            apply_seen(conn, &seen).await?;
        }
        Ok(())
    });
    kept.await.map_err(|failure| match failure {
        Failure::Internal(cause) => Outcome::Reject(cause.to_string()),
        passing => Outcome::Retry(passing.to_string()),
    })
}

/// Removes the rows of MIG agents that are long gone; those that `kept` holds of stay.
pub async fn forget<S: HasReplica>(service: &S, kept: &'static str) -> Result<(), Failure> {
    let before = service.clock().now() - GONE_KEPT;
    let mut conn = service.store().get().await?;
    while remove_gone(&mut conn, kept, before, AT_ONCE).await? > 0 {}
    Ok(())
}

/// Asks agent-gateway for all agents while the copy has none.
pub async fn ask_while_empty<S: HasReplica>(service: &S) -> Result<(), Failure> {
    let (bus, now) = (service.bus(), service.clock().now());
    let request = ReplicaRequested { of: "agent".into(), by: bus.service().into() };
    let asked = service.store().tx(async |conn| -> Result<bool, Failure> {
        let empty = is_empty(conn).await?;
        if empty {
            bus.put(conn, now, &request).await?;
        }
        Ok(empty)
    });
    if asked.await? {
        bus.wake();
    }
    Ok(())
}
