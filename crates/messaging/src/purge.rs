//! Forgetting what the inbox took long ago.

use crate::{Shutdown, inbox};
use store::{Failure, Store};
use time::Duration;
use types::Clock;

/// A message that comes again later than this is taken again: far beyond every retry, and beyond a week of holidays.
const KEPT: Duration = Duration::days(14);
const EVERY: std::time::Duration = std::time::Duration::from_mins(10);
const AT_ONCE: i64 = 5_000;

/// Forgets old messages of the inbox every ten minutes, until `shutdown`.
pub async fn purge(store: Store, clock: Clock, shutdown: Shutdown) {
    while !shutdown.is_triggered() {
        match forget(&store, &clock).await {
            // there may be more
            Ok(AT_ONCE..) => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %error, "the inbox was not purged"),
        }
        let _either = tokio::time::timeout(EVERY, shutdown.wait()).await;
    }
}

async fn forget(store: &Store, clock: &Clock) -> Result<i64, Failure> {
    let mut conn = store.get().await?;
    let before = clock.now() - KEPT;
    let forgotten = inbox::forget(&mut conn, before, AT_ONCE).await?;
    Ok(i64::try_from(forgotten).unwrap_or(i64::MAX))
}
