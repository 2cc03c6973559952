//! Actions from investigation-api.

use crate::Scheduler;
use crate::app::Accepted;
use messaging::{Delivery, Outcome};
use types::Message;
use types::messages::{ActionAccepted, ActionCancelled, ActionSteered};

pub(super) async fn handle(service: &Scheduler, batch: &[Delivery]) -> Outcome {
    match take(service, batch).await {
        Ok(()) => Outcome::Done,
        Err(outcome) => outcome,
    }
}

async fn take(service: &Scheduler, batch: &[Delivery]) -> Result<(), Outcome> {
    let mut accepted = Vec::new();
    let (mut steered, mut cancelled) = (Vec::new(), Vec::new());
    for delivery in batch {
        match delivery.kind.as_str() {
            ActionAccepted::KIND => {
                let event = delivery.decode::<ActionAccepted>()?;
                let trace = delivery.trace().to_keep().map(ToOwned::to_owned);
                accepted.push(Accepted { event, first: delivery.waited == 0, trace });
            }
            ActionSteered::KIND => steered.push(delivery.decode::<ActionSteered>()?),
            _ => cancelled.push(delivery.decode::<ActionCancelled>()?),
        }
    }
    let mut taken =
        if accepted.is_empty() { Ok(()) } else { service.app.take_actions(accepted).await };
    // one that waits for a signer's key, or for its action, holds up nobody else's pause or end
    for event in &cancelled {
        taken = taken.and(service.app.cancel_run(event).await);
    }
    for event in &steered {
        taken = taken.and(service.app.steer_run(event).await);
    }
    Ok(taken?)
}
