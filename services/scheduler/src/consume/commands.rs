//! Answers from agent-gateway.

use crate::Scheduler;
use messaging::{Delivery, Outcome};
use types::messages::CommandReturned;

pub(super) async fn handle(service: &Scheduler, batch: &[Delivery]) -> Outcome {
    let returned: Result<Vec<_>, Outcome> =
        batch.iter().map(Delivery::decode::<CommandReturned>).collect();
    match returned {
        Err(outcome) => outcome,
        Ok(returned) => match service.app.record_results(returned).await {
            Ok(()) => Outcome::Done,
            Err(error) => error.into(),
        },
    }
}
