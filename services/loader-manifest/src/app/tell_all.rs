//! Tells everything, for a copy that asked; and how much there is, so that a copy which lacks some asks.

use super::keep_shelf::group;
use super::{App, changed};
use crate::error::Error;
use crate::store::digest;
use crate::store::loaders::loaders_page;
use crate::store::manifests::manifests_page;
use crate::store::signatures::signatures_of;
use types::ManifestStatus;
use types::messages::{LoaderChanged, LoaderDigest, ManifestChanged};

/// Says how many rows one transaction tells.
const AT_ONCE: i64 = 200;

impl App {
    /// Tells how many loaders and manifests there are.
    pub(crate) async fn tell_digest(&self) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let (loaders, manifests) = digest(conn).await?;
                Ok(self.bus.put(conn, now, &LoaderDigest { loaders, manifests }).await?)
            })
            .await?;
        self.bus.wake();
        Ok(())
    }

    /// Tells all loaders as they are.
    pub(crate) async fn tell_loaders(&self) -> Result<(), Error> {
        let mut after = 0;
        loop {
            let now = self.clock.now();
            let last = self
                .store
                .tx(async |conn| -> Result<Option<i64>, Error> {
                    let rows = loaders_page(conn, after, AT_ONCE).await?;
                    let last = rows.last().map(|row| row.id);
                    let told: Vec<LoaderChanged> = rows.into_iter().map(Into::into).collect();
                    self.bus.put_all(conn, now, &told).await?;
                    Ok(last)
                })
                .await?;
            self.bus.wake();
            let Some(last) = last else { return Ok(()) };
            after = last;
        }
    }

    /// Tells all manifests as they are.
    pub(crate) async fn tell_manifests(&self) -> Result<(), Error> {
        const ALL: [ManifestStatus; 3] =
            [ManifestStatus::Staged, ManifestStatus::Active, ManifestStatus::Disabled];
        let mut before = i64::MAX;
        loop {
            let now = self.clock.now();
            let last = self
                .store
                .tx(async |conn| -> Result<Option<i64>, Error> {
                    let page = manifests_page(conn, &ALL, before, AT_ONCE).await?;
                    let ids: Vec<i64> = page.iter().map(|manifest| manifest.id.0).collect();
                    let mut signatures = group(signatures_of(conn, &ids).await?);
                    let told: Vec<ManifestChanged> = page
                        .iter()
                        .map(|manifest| {
                            changed(manifest, &signatures.remove(&manifest.id).unwrap_or_default())
                        })
                        .collect();
                    self.bus.put_all(conn, now, &told).await?;
                    Ok(ids.last().copied())
                })
                .await?;
            self.bus.wake();
            let Some(last) = last else { return Ok(()) };
            before = last;
        }
    }
}
