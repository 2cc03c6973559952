//! Passes over a run with which something fails, so that it holds up no other.

use super::App;
use crate::error::Error;
use crate::store::runs::run_put_off;
use time::Duration;

/// How long a run is passed over; short enough that its commands still end in time.
const PASSED_OVER: Duration = Duration::seconds(5);

/// Says what came of looking for a run that is due.
#[derive(Debug)]
pub(crate) enum Turn {
    /// There was none.
    Nothing,
    /// One was seen to; there may be others.
    Done,
    /// One failed and is passed over for a while; there may be others.
    PassedOver(Error),
}

impl Turn {
    /// Tells whether there may be others; keeps why one failed, so that whoever takes turns fails in the end and is
    /// seen to.
    pub(crate) fn goes_on(self, failed: &mut Option<Error>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Done => true,
            Self::PassedOver(error) => {
                *failed = Some(error);
                true
            }
        }
    }
}

impl App {
    /// Gives what became of a run, and has it passed over for a while when that is an error.
    pub(super) async fn or_pass_over(
        &self,
        became: Result<Turn, Error>,
        action: Option<i64>,
        what: &'static str,
    ) -> Result<Turn, Error> {
        let (Err(error), Some(action)) = (&became, action) else { return became };
        tracing::warn!(action.id = action, ?error, "could not be {what}; it is passed over");
        // when the database is away, nobody is to blame
        let passed_over = self.put_off(action, PASSED_OVER, 0).await.is_ok();
        if passed_over { became.or_else(|error| Ok(Turn::PassedOver(error))) } else { became }
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
