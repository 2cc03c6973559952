//! What of executions is measured.

use opentelemetry::metrics::Gauge;
use opentelemetry::{KeyValue, global};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What is told even before it ever was: a graph of it begins at nothing.
const ALWAYS: [&str; 3] = ["execution.running", "execution.waiting", "step.action"];

/// Measures what runs and what waits.
pub(super) struct Meters {
    executions: Gauge<i64>,
    waiting: Gauge<i64>,
    /// What was there before: it goes back to nothing when it is gone.
    last: Mutex<HashMap<String, i64>>,
}

impl Meters {
    pub(super) fn new() -> Self {
        let meter = global::meter("scheduler");
        let executions = meter.i64_gauge("writ.playbook.executions");
        let waiting = meter.i64_gauge("writ.playbook.steps.waiting");
        Self {
            executions: executions
                .with_description("Executions that are not over, by state")
                .build(),
            waiting: waiting
                .with_description("Steps that wait for people, playbooks or the fleet, by kind")
                .build(),
            last: Mutex::new(ALWAYS.map(|name| (name.to_owned(), 0)).into()),
        }
    }

    /// Takes note of counts by `execution.<state>` and `step.<kind>`.
    pub(super) fn note<'a>(&self, counts: impl Iterator<Item = (&'a str, i64)>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.values_mut().for_each(|count| *count = 0);
        for (name, count) in counts {
            last.insert(name.to_owned(), count);
        }
        for (name, count) in last.iter() {
            match name.split_once('.') {
                Some(("execution", state)) => {
                    self.executions.record(*count, &[KeyValue::new("state", state.to_owned())]);
                }
                Some((_, kind)) => {
                    self.waiting.record(*count, &[KeyValue::new("kind", kind.to_owned())]);
                }
                None => {}
            }
        }
    }
}
