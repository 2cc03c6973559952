//! What loader-manifest does by the clock.

use crate::LoaderManifest;
use service::Job;
use std::time::Duration;

pub(crate) fn jobs() -> Vec<Job<LoaderManifest>> {
    vec![
        Job::every("recount_manifests", Duration::from_mins(1), |service| {
            Box::pin(async move { Ok(service.app.recount(&[]).await?) })
        }),
        Job::every("tell_digest", Duration::from_mins(1), |service| {
            Box::pin(async move { Ok(service.app.tell_digest().await?) })
        }),
    ]
}
