//! Tells the others who may sign and ask.

use super::App;
use crate::error::Error;
use crate::store::investigators::investigators_all;

impl App {
    /// Reads the investigators again, since another process of this service may have changed them. What a message says
    /// of them does not count here: this database is where they are written.
    pub(crate) async fn reread_investigators(&self) -> Result<(), Error> {
        self.replica.refresh(&self.store, self.clock.now()).await?;
        Ok(())
    }

    /// Tells how the investigators stand, so that copies notice when they are stale; reads them again for this process,
    /// since another one may have changed them.
    pub(crate) async fn tell_digest(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let digest = self.replica.refresh(&self.store, now).await?;
        self.store
            .tx(async |conn| -> Result<(), Error> { Ok(self.bus.put(conn, now, &digest).await?) })
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
                Ok(self.bus.put_all(conn, now, &all).await?)
            })
            .await?;
        self.tell_digest().await
    }
}
