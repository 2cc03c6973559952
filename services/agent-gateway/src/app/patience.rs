//! Waiting for the database in place of those who cannot.

use super::App;
use crate::error::Error;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a caller is held: shorter than what proxies wait for an answer, 60 seconds.
const PATIENCE: Duration = Duration::from_secs(50);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl App {
    /// Does `work`, and again while the database is away. A RunbookSolutions agent has no time-out and ends at the first 5xx
    /// (specs/runbook/backend.md §3.5, §5): it is answered later rather than badly.
    pub(crate) async fn patiently<T>(
        &self,
        work: impl AsyncFn() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let done = work().await;
            if !matches!(done, Err(Error::Unavailable(_))) || Instant::now() + pause > deadline {
                return done;
            }
            tokio::select! {
                () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                () = self.shutdown.wait() => return done,
            }
        }
    }
}
