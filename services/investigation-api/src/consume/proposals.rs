//! Signed actions that playbooks want to run, from the scheduler.

use crate::InvestigationApi;
use messaging::{Delivery, Outcome};
use types::messages::ActionProposed;

pub(super) async fn handle(service: &InvestigationApi, batch: &[Delivery]) -> Outcome {
    match take(service, batch).await {
        Ok(()) => Outcome::Done,
        Err(outcome) => outcome,
    }
}

/// Takes one after the other; those before one that has to wait are noted and not taken again with it.
async fn take(service: &InvestigationApi, batch: &[Delivery]) -> Result<(), Outcome> {
    for delivery in batch {
        let event = delivery.decode::<ActionProposed>()?;
        service.app.take_proposal(&event).await?;
    }
    Ok(())
}
