//! Commands, from the scheduler.

use crate::AgentGateway;
use crate::error::Error;
use messaging::{Delivery, Outcome, Queue, Subscription};
use std::collections::BTreeMap;
use types::Message;
use types::messages::{CommandIssued, CommandWithdrawn};
use uuid::Uuid;

const QUEUE: Queue = Queue::Stream("commands");

/// Takes commands that were made, and those that were ended.
pub(super) fn subscription() -> Subscription<AgentGateway> {
    Subscription {
        queue: QUEUE,
        kinds: &[CommandIssued::KIND, CommandWithdrawn::KIND],
        handle: |gateway, batch| {
            Box::pin(async { take(gateway, batch).await.err().unwrap_or(Outcome::Done) })
        },
        connected: None,
    }
}

async fn take(gateway: &AgentGateway, batch: &[Delivery]) -> Result<(), Outcome> {
    let consumer = QUEUE.consumer(gateway.app.bus.service());
    let issued: Vec<(Uuid, CommandIssued)> = decode(batch)?;
    let traces = batch.iter().filter(|delivery| delivery.kind == CommandIssued::KIND);
    let traces: BTreeMap<Uuid, &str> =
        traces.filter_map(|delivery| Some((delivery.id, delivery.trace().to_keep()?))).collect();
    let withdrawn: Vec<(Uuid, CommandWithdrawn)> = decode(batch)?;
    let done: Result<(), Error> = async {
        if !issued.is_empty() {
            gateway.app.accept_commands(&consumer, &issued, &traces).await?;
        }
        if !withdrawn.is_empty() {
            gateway.app.withdraw_commands(&consumer, &withdrawn).await?;
        }
        Ok(())
    }
    .await;
    Ok(done?)
}

fn decode<M: Message>(batch: &[Delivery]) -> Result<Vec<(Uuid, M)>, Outcome> {
    let mine = batch.iter().filter(|delivery| delivery.kind == M::KIND);
    mine.map(|delivery| Ok((delivery.id, delivery.decode::<M>()?.data))).collect()
}
