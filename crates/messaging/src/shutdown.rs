//! The word to stop, for every loop of a process.

use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Tells loops to stop; clones share one word, which once said stays said.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<watch::Sender<Option<Instant>>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Makes one that has not been said.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// Says it.
    pub fn trigger(&self) {
        self.0.send_if_modified(|said| {
            let first = said.is_none();
            said.get_or_insert_with(Instant::now);
            first
        });
    }

    /// Tells whether it was said.
    pub fn is_triggered(&self) -> bool {
        self.said_at().is_some()
    }

    /// Tells when it was said, if it was.
    pub fn said_at(&self) -> Option<Instant> {
        *self.0.borrow()
    }

    /// Waits until it is said; returns at once when it was.
    pub async fn wait(&self) {
        let mut word = self.0.subscribe();
        // the sender lives as long as `self`, so the wait cannot fail
        let _said = word.wait_for(Option::is_some).await;
    }
}

#[cfg(test)]
mod tests {
    use super::Shutdown;

    #[tokio::test]
    async fn every_clone_hears_it_also_late() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        assert!(!other.is_triggered() && other.said_at().is_none());
        let ((), ()) = tokio::join!(async { shutdown.trigger() }, other.wait());
        other.wait().await;
        assert!(shutdown.is_triggered());
        let first = shutdown.said_at();
        other.trigger();
        assert_eq!(other.said_at(), first, "it was said then");
    }
}
