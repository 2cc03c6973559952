//! What people and investigation-api answer to steps of playbooks.

use crate::Scheduler;
use messaging::{Delivery, Outcome};
use types::Message;
use types::messages::{ActionRefused, ManualAnswered, ManualExpired};

pub(super) async fn handle(service: &Scheduler, batch: &[Delivery]) -> Outcome {
    for delivery in batch {
        if let Err(outcome) = take(service, delivery).await {
            return outcome;
        }
    }
    Outcome::Done
}

async fn take(service: &Scheduler, delivery: &Delivery) -> Result<(), Outcome> {
    match delivery.kind.as_str() {
        ManualAnswered::KIND => {
            let first = delivery.waited == 0;
            service.app.answer_step(&delivery.decode::<ManualAnswered>()?, first).await?;
        }
        ManualExpired::KIND => {
            service.app.expire_step(&delivery.decode::<ManualExpired>()?).await?;
        }
        _ => service.app.refuse_action(&delivery.decode::<ActionRefused>()?).await?,
    }
    Ok(())
}
