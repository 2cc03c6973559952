//! Waiting for a condition instead of sleeping.

use std::time::Duration;
use tokio::time::Instant;

/// Is how long a test waits for what must come: long, as it is only waited for in full when the test fails, and longer
/// than the 30 seconds after which a message is tried again.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks `condition` again and again until it holds; panics when it does not within `deadline`.
pub async fn until(deadline: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + deadline;
    loop {
        if condition().await {
            return;
        }
        assert!(Instant::now() < end, "the condition did not come true within {deadline:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
