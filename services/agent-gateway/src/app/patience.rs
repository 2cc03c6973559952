//! The deadline of a caller's request: waiting, until then, in place of those who cannot.

use super::App;
use crate::error::Error;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a caller is held: shorter than what proxies wait for an answer, 60 seconds.
pub(crate) const LONGEST: Duration = Duration::from_secs(50);
/// How much of the time that a process has to end is left for the answer itself.
const LAST: Duration = Duration::from_secs(2);
/// How long a try may take at least, also one that begins when there is no time left.
const LEAST: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Says until when one request is held, whatever it waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    end: Instant,
}

impl Patience {
    /// Begins with a request.
    pub(crate) fn begin() -> Self {
        Self { end: Instant::now() + LONGEST }
    }

    /// Does not count a time in which the caller was waited for, who sent its body: no proxy counts that either.
    pub(crate) fn pass_over(&mut self, time: Duration) {
        self.end += time;
    }
}

impl App {
    /// Says until when a request is held now: a process that ends still answers what it can.
    fn deadline(&self, patience: Patience) -> Instant {
        let end = self.shutdown.said_at();
        let end = end.map(|at| Instant::from_std(at) + self.grace.saturating_sub(LAST));
        end.map_or(patience.end, |end| patience.end.min(end))
    }

    /// Does `work`, and again while the database is away. A RunbookSolutions agent has no time-out and ends at the
    /// first 5xx (specs/runbook/backend.md §3.5, §5): it is answered later rather than badly.
    pub(crate) async fn patiently<T>(
        &self,
        patience: Patience,
        work: impl AsyncFn() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            let least = Instant::now() + LEAST;
            let done = self.by(|| self.deadline(patience).max(least), work()).await;
            let done = done.unwrap_or_else(|| {
                Err(Error::Unavailable(anyhow::anyhow!("no answer while the request could wait")))
            });
            let late = Instant::now() + pause > self.deadline(patience);
            if late || !matches!(done, Err(Error::Unavailable(_))) {
                return done;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Waits for `what` as long as the request still has `reserve` for the rest.
    pub(crate) async fn in_time<T>(
        &self,
        patience: Patience,
        reserve: Duration,
        what: impl Future<Output = T>,
    ) -> Option<T> {
        let deadline = || {
            let deadline = self.deadline(patience);
            deadline.checked_sub(reserve).unwrap_or(deadline)
        };
        self.by(deadline, what).await
    }

    /// Waits for `what` until the deadline, which is another one once the process is to end.
    async fn by<T>(
        &self,
        deadline: impl Fn() -> Instant,
        what: impl Future<Output = T>,
    ) -> Option<T> {
        let mut what = pin!(what);
        loop {
            let ends = self.shutdown.is_triggered();
            tokio::select! {
                biased;
                done = &mut what => return Some(done),
                () = sleep_until(deadline()) => return None,
                () = self.shutdown.wait(), if !ends => {}
            }
        }
    }
}
