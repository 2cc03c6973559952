//! Actions from investigation-api.

use crate::Scheduler;
use messaging::{Delivery, Outcome};
use types::Message;
use types::messages::{ActionAccepted, ActionCancelled};

pub(super) async fn handle(service: &Scheduler, batch: &[Delivery]) -> Outcome {
    match take(service, batch).await {
        Ok(()) => Outcome::Done,
        Err(outcome) => outcome,
    }
}

async fn take(service: &Scheduler, batch: &[Delivery]) -> Result<(), Outcome> {
    let mut accepted = Vec::new();
    let mut cancelled = Vec::new();
    let first = batch.iter().all(|delivery| delivery.attempt <= 1);
    for delivery in batch {
        match delivery.kind.as_str() {
            ActionAccepted::KIND => accepted.push(delivery.decode::<ActionAccepted>()?),
            _ => cancelled.push(delivery.decode::<ActionCancelled>()?),
        }
    }
    if !accepted.is_empty() {
        service.app.take_actions(accepted, first).await?;
    }
    for event in &cancelled {
        service.app.cancel_run(event).await?;
    }
    Ok(())
}
