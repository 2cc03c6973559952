//! How what a service depends on stands.

use crate::{Health, Parts, Service, meters};
use std::time::{Duration, Instant};
use store::Probe;
use web::admin::Check;

/// Looks at what a service depends on, and tells its health and its meters.
pub(crate) struct Look {
    health: Health,
    parts: Parts,
    versions: Vec<String>,
    probe: Probe,
    needs_broker: bool,
    holds_callers: Duration,
    /// When the database answered last.
    answered: Instant,
}

impl Look {
    /// Looks at the database with `probe`, whose migrations should be of these versions; it was there a moment ago.
    pub(crate) fn new<S: Service>(
        health: Health,
        parts: Parts,
        versions: Vec<String>,
        probe: Probe,
    ) -> Self {
        Self {
            health,
            parts,
            versions,
            probe,
            needs_broker: S::NEEDS_BROKER,
            holds_callers: S::HOLDS_CALLERS,
            answered: Instant::now(),
        }
    }

    /// Looks once.
    pub(crate) async fn once(&mut self) {
        let check = |ok: bool, needed: bool, detail: &str| Check {
            ok,
            needed,
            detail: (!ok).then(|| detail.to_owned()),
        };
        let lacking = self.probe.lacking(&self.versions).await;
        let database = lacking.is_some();
        if database {
            self.answered = Instant::now();
        }
        let needed = database || counts(self.answered.elapsed(), self.holds_callers);
        self.health.note("database", check(database, needed, "the database does not answer"));
        let lacking = lacking.unwrap_or_default().join(", ");
        let old = format!("the database lacks the migrations {lacking}; run the command migrate");
        self.health.note("schema", check(lacking.is_empty(), true, &old));
        let fault = self.parts.bus.fault();
        let broker = fault.is_none();
        let detail = fault.unwrap_or_default();
        self.health.note("broker", check(broker, self.needs_broker, &detail));
        let now = self.parts.clock.now();
        let fresh = self.parts.replica.is_fresh(now);
        let stale = "the investigators' keys were not confirmed lately; changes are refused";
        self.health.note("investigators", check(fresh, false, stale));
        let up = [("database", database), ("schema", lacking.is_empty()), ("broker", broker)];
        meters::look(&self.parts, up, now);
    }
}

/// Tells whether a database that has been away so long is why callers go elsewhere: those who would wait longer than
/// they are held are better served by another process, if one is there.
fn counts(away: Duration, holds_callers: Duration) -> bool {
    away >= holds_callers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_go_elsewhere_when_they_would_not_be_held_long_enough() {
        let second = Duration::from_secs(1);
        assert!(counts(Duration::ZERO, Duration::ZERO));
        assert!(!counts(49 * second, 50 * second));
        assert!(counts(50 * second, 50 * second));
    }
}
