//! Keeps what loader-manifest tells of loaders and manifests.

use super::App;
use crate::error::Error;
use crate::store::loaders::{copies_empty, loaders_apply, manifests_apply};
use types::messages::{LoaderChanged, ManifestChanged, ReplicaRequested};

impl App {
    /// Takes a batch in one transaction. No inbox: what is not newer than the copy changes nothing.
    pub(crate) async fn keep_loaders(
        &self,
        loaders: &[LoaderChanged],
        manifests: &[ManifestChanged],
    ) -> Result<(), Error> {
        self.store
            .tx(async |conn| -> Result<(), Error> {
                if !loaders.is_empty() {
                    loaders_apply(conn, loaders).await?;
                }
                if !manifests.is_empty() {
                    manifests_apply(conn, manifests).await?;
                }
                Ok(())
            })
            .await
    }

    /// Asks loader-manifest for everything while a copy has nothing.
    pub(crate) async fn ask_for_loaders(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let asked = self.store.tx(async |conn| -> Result<bool, Error> {
            let empty = copies_empty(conn).await?;
            for of in &empty {
                let request = ReplicaRequested { of: (*of).into(), by: self.bus.service().into() };
                self.bus.put(conn, now, &request).await?;
            }
            Ok(!empty.is_empty())
        });
        if asked.await? {
            self.bus.wake();
        }
        Ok(())
    }
}
