//! Passes over a run with which something fails, so that it holds up no other.

use super::App;
use crate::error::Error;
use crate::store::runs::run_put_off;
use time::Duration;

/// How long a run is passed over; short enough that its commands still end in time.
const PASSED_OVER: Duration = Duration::seconds(5);

impl App {
    /// Gives what became of a run, and has it passed over for a while when that is an error; then there may be others.
    pub(super) async fn or_pass_over(
        &self,
        became: Result<bool, Error>,
        action: Option<i64>,
        what: &'static str,
    ) -> Result<bool, Error> {
        let (Err(error), Some(action)) = (&became, action) else { return became };
        tracing::warn!(action.id = action, ?error, "could not be {what}; it is passed over");
        // when the database is away, nobody is to blame
        if self.put_off(action, PASSED_OVER, 0).await.is_ok() { Ok(true) } else { became }
    }

    /// Has a run passed over for so long, after its commands could not be made so many times more.
    pub(super) async fn put_off(
        &self,
        action: i64,
        how_long: Duration,
        tries: i32,
    ) -> Result<(), Error> {
        let mut conn = self.store.get().await?;
        run_put_off(&mut conn, action, self.clock.now() + how_long, tries).await?;
        Ok(())
    }
}
