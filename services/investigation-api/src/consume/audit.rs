//! What other services note for the audit.

use crate::InvestigationApi;
use messaging::{Delivery, Outcome};
use types::messages::AuditNoted;

pub(super) async fn handle(service: &InvestigationApi, batch: &[Delivery]) -> Outcome {
    let told: Result<Vec<_>, Outcome> = batch.iter().map(Delivery::decode::<AuditNoted>).collect();
    match told {
        Err(outcome) => outcome,
        Ok(told) => match service.app.keep_notes(told).await {
            Ok(()) => Outcome::Done,
            Err(error) => error.into(),
        },
    }
}
