//! What is counted of MIG's agents.

use super::topology::RESULTS;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

/// Counts.
pub(super) struct Meters {
    heartbeats: Counter<u64>,
    results: Counter<u64>,
    commands: Counter<u64>,
    conflicts: Counter<u64>,
    overruns: Counter<u64>,
}

impl Meters {
    pub(super) fn new() -> Self {
        let meter = global::meter("agent-gateway");
        let counter = |name, text| meter.u64_counter(name).with_description(text).build();
        let meters = Self {
            heartbeats: counter("mig.heartbeats", "Heartbeats of MIG agents, by way and outcome"),
            results: counter("mig.results", "Answers of MIG agents, by outcome"),
            commands: counter("mig.commands", "Commands for MIG agents, by what the broker said"),
            conflicts: counter("mig.conflicts", "MIG agents that were found to run twice"),
            overruns: counter("mig.overruns", "Times that MIG agents sent more than is held here"),
        };
        // a rate needs a first value, and the first of each is the one that matters
        let outcome = |outcome| [KeyValue::new("outcome", outcome)];
        meters
            .heartbeats
            .add(0, &[KeyValue::new("way", "http"), KeyValue::new("outcome", "heard")]);
        meters.results.add(0, &outcome("accepted"));
        meters.results.add(0, &outcome("refused"));
        meters.commands.add(0, &outcome("taken"));
        meters.conflicts.add(0, &[]);
        meters.overruns.add(0, &[KeyValue::new("queue", RESULTS)]);
        meters
    }

    pub(super) fn heartbeats(&self, way: &'static str, outcome: &'static str, count: usize) {
        let labels = [KeyValue::new("way", way), KeyValue::new("outcome", outcome)];
        add(&self.heartbeats, count, &labels);
    }

    pub(super) fn results(&self, outcome: &'static str, count: usize) {
        add(&self.results, count, &[KeyValue::new("outcome", outcome)]);
    }

    pub(super) fn pushed(&self, taken: usize, waiting: usize) {
        add(&self.commands, taken, &[KeyValue::new("outcome", "taken")]);
        add(&self.commands, waiting, &[KeyValue::new("outcome", "no_queue")]);
    }

    pub(super) fn overrun(&self, queue: &'static str) {
        self.overruns.add(1, &[KeyValue::new("queue", queue)]);
    }

    pub(super) fn conflicts(&self, count: usize) {
        add(&self.conflicts, count, &[]);
    }
}

fn add(counter: &Counter<u64>, count: usize, labels: &[KeyValue]) {
    if let Ok(count @ 1..) = u64::try_from(count) {
        counter.add(count, labels);
    }
}
