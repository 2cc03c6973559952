//! Copies that ask for all investigators.

use crate::InvestigationApi;
use messaging::{Delivery, Outcome};
use types::messages::ReplicaRequested;

pub(super) async fn handle(service: &InvestigationApi, batch: &[Delivery]) -> Outcome {
    let asked: Result<Vec<_>, Outcome> =
        batch.iter().map(Delivery::decode::<ReplicaRequested>).collect();
    match asked {
        Err(outcome) => outcome,
        Ok(asked) if asked.iter().all(|request| request.data.of != "investigator") => Outcome::Done,
        // one answer serves all who ask: every copy hears it
        Ok(_) => match service.app.tell_investigators().await {
            Ok(()) => Outcome::Done,
            Err(error) => error.into(),
        },
    }
}
