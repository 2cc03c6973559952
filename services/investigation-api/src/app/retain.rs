//! Removes what is older than it must be kept, a little at a time.

use super::App;
use crate::config::{Config, kept};
use crate::domain::audit::{Actor, CUT, Entry, Outcome};
use crate::error::Error;
use crate::store::audit::{audit_append, audit_cut, audit_old};
use crate::store::retention::{actions_remove, actions_strip};
use time::OffsetDateTime;

/// How many rows of the audit one transaction removes.
const ROWS: i64 = 5_000;
/// How many actions are removed together.
const ACTIONS: i64 = 50;

impl App {
    /// Removes actions that ended long ago, with their results, and the oldest rows of the audit.
    pub(crate) async fn retain(&self, config: &Config) -> Result<(), Error> {
        let now = self.clock.now();
        if let Some(kept) = kept(config.retention_results) {
            while self.remove_actions(now - kept).await? && !self.shutdown.is_triggered() {}
        }
        if let Some(kept) = kept(config.retention_audit) {
            while self.cut_audit(now - kept, now).await? && !self.shutdown.is_triggered() {}
        }
        Ok(())
    }

    /// Removes some actions; tells whether there were any.
    async fn remove_actions(&self, before: OffsetDateTime) -> Result<bool, Error> {
        let mut conn = self.store.get().await?;
        let old = actions_strip(&mut conn, before, ACTIONS).await?;
        drop(conn);
        if old.is_empty() {
            return Ok(false);
        }
        self.store
            .tx(async |conn| -> Result<(), Error> { Ok(actions_remove(conn, &old).await?) })
            .await?;
        tracing::info!(actions = old.len(), "removed actions that ended long ago");
        Ok(true)
    }

    /// Removes rows from the beginning of the audit, after it was written down which is the last of them; tells whether
    /// there were any.
    async fn cut_audit(&self, before: OffsetDateTime, now: OffsetDateTime) -> Result<bool, Error> {
        self.store
            .tx(async |conn| -> Result<bool, Error> {
                let Some(last) = audit_old(conn, before, ROWS).await? else { return Ok(false) };
                let cut = Entry {
                    at: now,
                    actor: Actor::local(),
                    what: CUT.into(),
                    subject: format!("{}:{}", last.id, hex::encode(&last.hash)),
                    outcome: Outcome::Done,
                    detail: "rows up to this one were older than they must be kept".into(),
                    count: 1,
                };
                audit_append(conn, &[cut]).await?;
                audit_cut(conn, last.id).await?;
                tracing::info!(audit.id = last.id, "removed the audit's oldest rows");
                Ok(true)
            })
            .await
    }
}
