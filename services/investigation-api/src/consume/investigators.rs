//! Investigators that another process of this service has changed.

use crate::InvestigationApi;
use messaging::Outcome;

pub(super) async fn handle(service: &InvestigationApi) -> Outcome {
    match service.app.reread_investigators().await {
        Ok(()) => Outcome::Done,
        Err(error) => error.into(),
    }
}

/// Reads what was missed while the queue did not exist.
pub(super) async fn connected(service: &InvestigationApi) {
    if let Err(error) = service.app.reread_investigators().await {
        // told again with the digest, a minute later at most
        tracing::warn!(%error, "the investigators could not be read");
    }
}
