//! How the process is: what the probes of the admin port say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use web::admin::{Check, Probes, Readiness};

/// Knows how a process is; clones are the same knowledge.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    failure: Option<String>,
    checks: BTreeMap<&'static str, Check>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Starting,
    Serving,
    Stopping,
}

impl Health {
    /// Says that the process serves.
    pub fn serving(&self) {
        let mut state = self.state();
        if state.phase == Phase::Starting {
            state.phase = Phase::Serving;
        }
    }

    /// Says that the process wants no more work.
    pub fn stopping(&self) {
        self.state().phase = Phase::Stopping;
    }

    /// Says that something of the process is broken for good; the first reason counts.
    pub fn fail(&self, reason: String) {
        self.state().failure.get_or_insert(reason);
    }

    /// Gives the reason why the process is broken, if it is.
    pub fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Notes how a dependency stands, and logs when that changed.
    pub fn note(&self, name: &'static str, check: Check) {
        let (ok, detail) = (check.ok, check.detail.clone().unwrap_or_default());
        let before = self.state().checks.insert(name, check);
        match before.map(|before| before.ok) {
            Some(true) if !ok => warn_away(name, &detail),
            Some(false) | None if ok => tracing::info!(dependency = name, "is there"),
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn warn_away(name: &str, detail: &str) {
    tracing::warn!(dependency = name, detail, "is away");
}

impl Probes for Health {
    fn live(&self) -> bool {
        self.state().failure.is_none()
    }

    fn ready(&self) -> Readiness {
        let state = self.state();
        let all = |needed: bool| state.checks.values().all(|c| c.ok || (needed && !c.needed));
        let word = match (&state.failure, state.phase) {
            (Some(_), _) => "failed",
            (None, Phase::Starting) => "starting",
            (None, Phase::Stopping) => "stopping",
            (None, Phase::Serving) if !all(true) => "waiting",
            (None, Phase::Serving) if !all(false) => "degraded",
            (None, Phase::Serving) => "ready",
        };
        let mut checks = state.checks.clone();
        if let Some(reason) = &state.failure {
            let failed = Check { ok: false, needed: true, detail: Some(reason.clone()) };
            checks.insert("process", failed);
        }
        Readiness { ready: matches!(word, "ready" | "degraded"), state: word, checks }
    }

    fn metrics(&self) -> String {
        telemetry::metrics_text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ok: bool, needed: bool) -> Check {
        Check { ok, needed, detail: None }
    }

    #[test]
    fn only_what_is_needed_keeps_work_away() {
        let health = Health::default();
        assert_eq!(health.ready().state, "starting");
        health.note("database", check(true, true));
        health.note("investigators", check(false, false));
        health.serving();
        assert_eq!((health.ready().ready, health.ready().state), (true, "degraded"));
        health.note("database", check(false, true));
        assert_eq!((health.ready().ready, health.ready().state), (false, "waiting"));
        health.note("database", check(true, true));
        assert!(health.ready().ready && health.live());
        health.stopping();
        health.serving();
        assert_eq!((health.ready().ready, health.ready().state), (false, "stopping"));
        health.fail("a".into());
        health.fail("b".into());
        assert_eq!((health.live(), health.ready().state), (false, "failed"));
        assert_eq!(health.failure().unwrap(), "a");
    }
}
