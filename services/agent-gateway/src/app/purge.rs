//! What nobody will ask for any more is removed.

use super::App;
use crate::error::Error;
use crate::store::{codes, mailbox, plugins, tasks};
use time::Duration;

const AT_ONCE: i64 = 5_000;

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
}
