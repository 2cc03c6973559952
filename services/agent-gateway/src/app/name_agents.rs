//! An agent is named after the loader on its machine: both say the same queue location.

use super::App;
use crate::error::Error;
use crate::store::loaders;
use types::messages::{LoaderChanged, ReplicaRequested};

impl App {
    /// Takes what loader-manifest tells of loaders and renames the agents beside them. No inbox: what is not newer than
    /// the copy changes nothing.
    pub(crate) async fn keep_loaders(&self, changed: &[LoaderChanged]) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| {
                let queuelocs = loaders::loaders_apply(conn, changed).await?;
                let named = loaders::agents_rename(conn, &queuelocs).await?;
                self.publish_agents(conn, &named, now).await
            })
            .await?;
        self.bus.wake();
        Ok(())
    }

    /// Asks loader-manifest for all loaders while none is known.
    pub async fn ask_for_loaders(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let asked = self.store.tx(async |conn| {
            let missing = loaders::loaders_are_missing(conn).await?;
            if missing {
                let by = self.bus.service().into();
                self.bus.put(conn, now, &ReplicaRequested { of: "loader".into(), by }).await?;
            }
            Ok::<_, Error>(missing)
        });
        if asked.await? {
            self.bus.wake();
        }
        Ok(())
    }
}
