//! Loaders and manifests, from loader-manifest.

use crate::InvestigationApi;
use messaging::{Delivery, Outcome};
use types::Message;
use types::messages::{LoaderChanged, ManifestChanged};

pub(super) async fn handle(service: &InvestigationApi, batch: &[Delivery]) -> Outcome {
    match sort(batch) {
        Err(outcome) => outcome,
        Ok((loaders, manifests)) => match service.app.keep_loaders(&loaders, &manifests).await {
            Ok(()) => Outcome::Done,
            Err(error) => error.into(),
        },
    }
}

fn sort(batch: &[Delivery]) -> Result<(Vec<LoaderChanged>, Vec<ManifestChanged>), Outcome> {
    let (mut loaders, mut manifests) = (Vec::new(), Vec::new());
    for delivery in batch {
        match delivery.kind.as_str() {
            LoaderChanged::KIND => loaders.push(delivery.decode::<LoaderChanged>()?.data),
            _ => manifests.push(delivery.decode::<ManifestChanged>()?.data),
        }
    }
    Ok((loaders, manifests))
}
