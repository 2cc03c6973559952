//! Waiting for what a process cannot be without, with a word now and then and an end.

use anyhow::bail;
use messaging::Shutdown;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(100);
const WORD: Duration = Duration::from_secs(5);

/// Says that the process was told to stop before it served; no fault of anyone.
#[derive(Debug, thiserror::Error)]
#[error("told to stop before the start was over")]
pub(crate) struct Stopped;

/// Waits until `there` says so; says every five seconds what is missing and gives up after `patience`, or when the
/// process is told to stop.
pub(crate) async fn until<F: Future<Output = bool>>(
    what: &str,
    patience: Duration,
    shutdown: &Shutdown,
    there: impl Fn() -> F,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut word = start;
    while !there().await {
        if shutdown.is_triggered() {
            return Err(Stopped.into());
        }
        if start.elapsed() >= patience {
            bail!(
                "{what} is not there after {} seconds; check that it runs and that its URL, user and password are right",
                patience.as_secs()
            );
        }
        if word.elapsed() >= WORD {
            word = Instant::now();
            tracing::warn!(waited_seconds = start.elapsed().as_secs(), "waiting for {what}");
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(())
}
