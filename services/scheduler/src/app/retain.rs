//! Removes what is older than it must be kept, a little at a time.

use super::App;
use crate::error::Error;
use crate::store::retention::{executions_remove, runs_remove, runs_strip};
use time::{Duration, OffsetDateTime};

/// How many runs or executions are removed together.
const AT_ONCE: i64 = 50;

impl App {
    /// Removes runs and executions that ended long ago.
    pub(crate) async fn retain(&self) -> Result<(), Error> {
        let now = self.clock.now();
        if let Some(before) = before(now, self.config.retention_runs) {
            while self.remove_runs(before).await? && !self.shutdown.is_triggered() {}
        }
        if let Some(before) = before(now, self.config.retention_executions) {
            while self.remove_executions(before).await? && !self.shutdown.is_triggered() {}
        }
        Ok(())
    }

    /// Removes some runs; tells whether there were any.
    async fn remove_runs(&self, before: OffsetDateTime) -> Result<bool, Error> {
        let mut conn = self.store.get().await?;
        let old = runs_strip(&mut conn, before, AT_ONCE).await?;
        if old.is_empty() {
            return Ok(false);
        }
        runs_remove(&mut conn, &old).await?;
        tracing::info!(runs = old.len(), "removed runs that ended long ago");
        Ok(true)
    }

    /// Removes some executions; tells whether there were any.
    async fn remove_executions(&self, before: OffsetDateTime) -> Result<bool, Error> {
        let removed = self
            .store
            .tx(async |conn| -> Result<usize, Error> {
                Ok(executions_remove(conn, before, AT_ONCE).await?)
            })
            .await?;
        if removed > 0 {
            tracing::info!(executions = removed, "removed executions that ended long ago");
        }
        Ok(removed > 0)
    }
}

/// Gives the time before which things may go; nothing when all is kept.
fn before(now: OffsetDateTime, days: u16) -> Option<OffsetDateTime> {
    (days > 0).then(|| now - Duration::days(days.into()))
}
