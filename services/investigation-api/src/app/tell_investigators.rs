//! Tells the others who may sign and ask.

use super::App;
use crate::error::Error;
use crate::store::investigators::investigators_all;
use types::messages::InvestigatorDigest;

impl App {
    /// Tells how the investigators stand, so that copies notice when they are stale. This service's own copy is
    /// written along with its table; the digest keeps it fresh too.
    pub(crate) async fn tell_digest(&self) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let all = investigators_all(conn).await?;
                let (count, hash) = auth::digest::of(all.iter().map(|one| (one.id.0, one.version)));
                self.bus.put(conn, now, &InvestigatorDigest { count, hash, at: now }).await?;
                Ok(())
            })
            .await?;
        self.bus.wake();
        Ok(())
    }

    /// Tells all investigators and their digest, for a copy that asked.
    pub(crate) async fn tell_investigators(&self) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let all = investigators_all(conn).await?;
                self.bus.put_all(conn, now, &all).await?;
                Ok(())
            })
            .await?;
        self.tell_digest().await
    }
}
