//! What nobody will ask for any more is removed.

use super::App;
use crate::error::Error;
use crate::store::{codes, mailbox, mig_agents, plugins, tasks};
use time::Duration;

const AT_ONCE: i64 = 5_000;
/// How long rows of MIG agents that are gone are kept; the copies of the other services keep them as long.
const GONE_KEPT: Duration = Duration::days(30);

impl App {
    /// Removes dead device codes, the mailbox of actions that ended long ago, and tasks that did.
    pub async fn purge(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let before = now - Duration::hours(self.config.keep_hours.into());
        let mut conn = self.store.get().await?;
        codes::codes_purge(&mut conn, now).await?;
        plugins::partings_purge(&mut conn, now).await?;
        let mut removed = AT_ONCE;
        while removed >= AT_ONCE {
            let count = mailbox::mailbox_purge(&mut conn, before, AT_ONCE).await?;
            removed = i64::try_from(count).unwrap_or(AT_ONCE);
        }
        mailbox::documents_purge(&mut conn, before).await?;
        let mut removed = AT_ONCE;
        while removed >= AT_ONCE {
            let count = tasks::tasks_purge(&mut conn, before, AT_ONCE).await?;
            removed = i64::try_from(count).unwrap_or(AT_ONCE);
        }
        Ok(())
    }

    /// Removes the rows of MIG agents that are long gone.
    pub async fn forget_agents(&self) -> Result<(), Error> {
        let before = self.clock.now() - GONE_KEPT;
        let mut conn = self.store.get().await?;
        let mut removed = AT_ONCE;
        while removed >= AT_ONCE {
            let count = mig_agents::mig_agents_forget(&mut conn, before, AT_ONCE).await?;
            removed = i64::try_from(count).unwrap_or(AT_ONCE);
        }
        Ok(())
    }
}
