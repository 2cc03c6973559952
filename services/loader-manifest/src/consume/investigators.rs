//! Investigators who changed, from investigation-api.

use crate::LoaderManifest;
use messaging::{Delivery, Outcome};
use types::messages::InvestigatorChanged;

/// Counts anew what they signed. No inbox: to count again does no harm.
pub(super) async fn handle(service: &LoaderManifest, batch: &[Delivery]) -> Outcome {
    let states: Result<Vec<_>, Outcome> =
        batch.iter().map(|delivery| Ok(delivery.decode::<InvestigatorChanged>()?.data)).collect();
    match states {
        Err(outcome) => outcome,
        Ok(states) => match service.app.hear_investigators(&states).await {
            Ok(()) => Outcome::Done,
            Err(error) => error.into(),
        },
    }
}
