//! Loaders and manifests, from loader-manifest.

use crate::InvestigationApi;
use messaging::{Delivery, Outcome};
use types::Message;
use types::messages::{LoaderChanged, LoaderDigest, ManifestChanged};

/// Is what one batch tells.
#[derive(Default)]
struct Told {
    loaders: Vec<LoaderChanged>,
    manifests: Vec<ManifestChanged>,
    /// How many there are, as last told.
    digest: Option<LoaderDigest>,
}

pub(super) async fn handle(service: &InvestigationApi, batch: &[Delivery]) -> Outcome {
    let Told { loaders, manifests, digest } = match sort(batch) {
        Ok(told) => told,
        Err(outcome) => return outcome,
    };
    let kept = service.app.keep_loaders(&loaders, &manifests, digest.as_ref()).await;
    kept.map_or_else(Into::into, |()| Outcome::Done)
}

fn sort(batch: &[Delivery]) -> Result<Told, Outcome> {
    let mut told = Told::default();
    for delivery in batch {
        match delivery.kind.as_str() {
            LoaderChanged::KIND => told.loaders.push(delivery.decode::<LoaderChanged>()?.data),
            LoaderDigest::KIND => told.digest = Some(delivery.decode::<LoaderDigest>()?.data),
            _ => told.manifests.push(delivery.decode::<ManifestChanged>()?.data),
        }
    }
    Ok(told)
}
