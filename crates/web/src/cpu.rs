//! Work that keeps a processor busy for longer than a millisecond.

use crate::Problem;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::Semaphore;

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    Arc::new(Semaphore::new(processors))
});
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs `work` beside the event loops, no more at a time than there are processors. A caller that would wait longer
/// than five seconds for its turn is told to come again.
pub async fn cpu<T, F>(work: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let turn = tokio::time::timeout(PATIENCE, Arc::clone(&TURNS).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        return Err(Problem::unavailable("the service is busy; try again", None));
    };
    // the turn is over with the work, also where the caller has gone away
    let work = move || {
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(Problem::internal)
}
