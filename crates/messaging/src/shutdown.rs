//! The word to stop, for every loop of a process.

use std::sync::Arc;
use tokio::sync::watch;

/// Tells loops to stop; clones share one word, which once said stays said.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<watch::Sender<bool>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// Makes one that has not been said.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Says it.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }

    /// Tells whether it was said.
    pub fn is_triggered(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is said; returns at once when it was.
    pub async fn wait(&self) {
        let mut word = self.0.subscribe();
        // the sender lives as long as `self`, so the wait cannot fail
        let _said = word.wait_for(|said| *said).await;
    }
}

#[cfg(test)]
mod tests {
    use super::Shutdown;

    #[tokio::test]
    async fn every_clone_hears_it_also_late() {
        let shutdown = Shutdown::new();
        let other = shutdown.clone();
        assert!(!other.is_triggered());
        let ((), ()) = tokio::join!(async { shutdown.trigger() }, other.wait());
        other.wait().await;
        assert!(shutdown.is_triggered());
    }
}
