//! The time, asked in one place so that tests can set it.

use std::sync::{Arc, Mutex, PoisonError};
use time::{Duration, OffsetDateTime};

/// Tells the time: the machine's, or one that a test sets.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<Mutex<OffsetDateTime>>>);

impl Clock {
    /// Follows the machine's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// Stands at `at` until it is moved.
    pub fn fixed(at: OffsetDateTime) -> Self {
        Self(Some(Arc::new(Mutex::new(at))))
    }

    /// Gives the time in UTC, cut to microseconds as PostgreSQL keeps it.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> OffsetDateTime {
        let now = match &self.0 {
            Some(set) => *set.lock().unwrap_or_else(PoisonError::into_inner),
            None => OffsetDateTime::now_utc(),
        };
        now.replace_microsecond(now.microsecond()).unwrap_or(now)
    }

    /// Moves a fixed clock on; a clock that follows the machine stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Some(set) = &self.0 {
            let mut at = set.lock().unwrap_or_else(PoisonError::into_inner);
            *at = at.saturating_add(by);
        }
    }
}
