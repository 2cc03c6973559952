//! An agent is named after the loader on its machine: both say the same queue location.

use super::App;
use crate::error::Error;
use crate::store::loaders;
use types::messages::{LoaderChanged, LoaderDigest, ReplicaRequested};

impl App {
    /// Takes what loader-manifest tells of loaders, renames the agents beside them, and asks for all loaders where the
    /// copy then has fewer than there are. No inbox: what is not newer than the copy changes nothing.
    pub(crate) async fn keep_loaders(
        &self,
        changed: &[LoaderChanged],
        digest: Option<&LoaderDigest>,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| {
                if !changed.is_empty() {
                    let queuelocs = loaders::loaders_apply(conn, changed).await?;
                    let named = loaders::agents_rename(conn, &queuelocs).await?;
                    self.publish_agents(conn, &named, now).await?;
                }
                if let Some(told) = digest
                    && loaders::loaders_count(conn).await? < told.loaders
                {
                    let by = self.bus.service().into();
                    self.bus.put(conn, now, &ReplicaRequested { of: "loader".into(), by }).await?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        self.bus.wake();
        Ok(())
    }
}
