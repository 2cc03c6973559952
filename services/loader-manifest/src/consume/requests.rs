//! Copies that ask for everything.

use crate::LoaderManifest;
use crate::error::Error;
use messaging::{Delivery, Outcome};
use types::messages::ReplicaRequested;

/// Answers any number of requests once: every copy hears it. No inbox: to answer again does no harm.
pub(super) async fn handle(service: &LoaderManifest, batch: &[Delivery]) -> Outcome {
    let asked: Result<Vec<_>, Outcome> =
        batch.iter().map(|delivery| Ok(delivery.decode::<ReplicaRequested>()?.data.of)).collect();
    let asked = match asked {
        Ok(asked) => asked,
        Err(outcome) => return outcome,
    };
    let told: Result<(), Error> = async {
        if asked.iter().any(|of| of == "loader") {
            service.app.tell_loaders().await?;
        }
        if asked.iter().any(|of| of == "manifest") {
            service.app.tell_manifests().await?;
        }
        Ok(())
    }
    .await;
    told.map_or_else(Into::into, |()| Outcome::Done)
}
