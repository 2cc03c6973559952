//! How long to wait before trying again: longer each time, never the same on two machines.

use rand::Rng as _;
use std::time::Duration;

/// Bounds the waits between tries.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The longest first wait.
    pub first: Duration,
    /// The longest wait of all.
    pub most: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_mins(1) }
    }
}

/// Counts failures in a row and says how long to wait after each.
#[derive(Debug)]
pub(crate) struct Backoff {
    pace: Pace,
    failures: u32,
}

impl Backoff {
    /// Starts with no failure.
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, failures: 0 }
    }

    /// Forgets the failures.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure and gives the wait: between half and all of twice the wait before it, but at least `asked`,
    /// which is what the server wants (not believed beyond five minutes).
    pub(crate) fn wait(&mut self, asked: Option<Duration>) -> Duration {
        let factor = 2_u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let most = self.pace.first.saturating_mul(factor).min(self.pace.most);
        let asked = asked.unwrap_or_default().min(Duration::from_mins(5));
        jitter(most).max(asked + jitter(asked) / 10)
    }
}

/// Gives a time between half of `most` and `most`.
pub(crate) fn jitter(most: Duration) -> Duration {
    most.mul_f64(rand::rng().random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_most_and_start_again() {
        let pace = Pace { first: Duration::from_millis(100), most: Duration::from_millis(350) };
        let mut backoff = Backoff::new(pace);
        for most in [100, 200, 350, 350] {
            let wait = backoff.wait(None);
            let most = Duration::from_millis(most);
            assert!(wait >= most / 2 && wait <= most, "{wait:?} for {most:?}");
        }
        backoff.reset();
        assert!(backoff.wait(None) <= pace.first);
    }

    #[test]
    fn the_servers_wish_is_kept_within_reason() {
        let mut backoff = Backoff::new(Pace::default());
        assert!(backoff.wait(Some(Duration::from_secs(20))) >= Duration::from_secs(20));
        assert!(backoff.wait(Some(Duration::from_hours(24))) <= Duration::from_secs(330));
    }
}
