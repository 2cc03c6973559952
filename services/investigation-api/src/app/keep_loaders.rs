//! Keeps what loader-manifest tells of loaders and manifests.

use super::App;
use crate::error::Error;
use crate::store::loaders::{copies_count, loaders_apply, manifests_apply};
use types::messages::{LoaderChanged, LoaderDigest, ManifestChanged, ReplicaRequested};

impl App {
    /// Takes a batch in one transaction, and asks for everything where a copy then lacks something. No inbox: what is
    /// not newer than the copy changes nothing.
    pub(crate) async fn keep_loaders(
        &self,
        loaders: &[LoaderChanged],
        manifests: &[ManifestChanged],
        digest: Option<&LoaderDigest>,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                if !loaders.is_empty() {
                    loaders_apply(conn, loaders).await?;
                }
                if !manifests.is_empty() {
                    manifests_apply(conn, manifests).await?;
                }
                let Some(told) = digest else { return Ok(()) };
                let (loaders, manifests) = copies_count(conn).await?;
                let lacks =
                    [("loader", loaders < told.loaders), ("manifest", manifests < told.manifests)];
                for (of, _) in lacks.into_iter().filter(|(_, lacks)| *lacks) {
                    let by = self.bus.service().into();
                    self.bus.put(conn, now, &ReplicaRequested { of: of.into(), by }).await?;
                }
                Ok(())
            })
            .await?;
        self.bus.wake();
        Ok(())
    }
}
