//! Manual steps, from the scheduler.

use crate::ManualInteraction;
use crate::error::Error;
use messaging::{Delivery, Outcome, Queue, Subscription};
use types::Message;
use types::messages::{ManualRequested, ManualWithdrawn};
use uuid::Uuid;

const QUEUE: Queue = Queue::Stream("steps");

/// Takes steps that are asked for, and those that are needed no longer.
pub(super) fn subscription() -> Subscription<ManualInteraction> {
    Subscription {
        queue: QUEUE,
        kinds: &[ManualRequested::KIND, ManualWithdrawn::KIND],
        handle: |service, batch| {
            Box::pin(async { take(service, batch).await.err().unwrap_or(Outcome::Done) })
        },
        connected: None,
    }
}

async fn take(service: &ManualInteraction, batch: &[Delivery]) -> Result<(), Outcome> {
    let app = &service.app;
    let consumer = QUEUE.consumer(app.bus.service());
    let asked: Vec<(Uuid, ManualRequested)> = decode(batch)?;
    let gone: Vec<(Uuid, ManualWithdrawn)> = decode(batch)?;
    let done: Result<(), Error> = async {
        if !asked.is_empty() {
            app.take_requests(&consumer, &asked).await?;
        }
        if !gone.is_empty() {
            app.take_withdrawals(&consumer, &gone).await?;
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
