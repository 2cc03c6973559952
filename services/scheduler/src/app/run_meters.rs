//! What operators see of runs and commands. What is counted in the database are runs that are open, by an index of
//! these alone, however many have ended.

use super::App;
use crate::domain::run::RunStatus;
use crate::error::Error;
use crate::store::runs::runs_open;
use opentelemetry::metrics::{Counter, Gauge};
use opentelemetry::{KeyValue, global};
use std::sync::LazyLock;
use types::CommandStatus;

struct Meters {
    actions: Gauge<i64>,
    commands: Gauge<i64>,
    late: Gauge<f64>,
    closed: Counter<u64>,
    refused: Counter<u64>,
}

static METERS: LazyLock<Meters> = LazyLock::new(|| {
    let meter = global::meter("scheduler");
    let gauge = |name: &'static str, what: &'static str| {
        meter.i64_gauge(name).with_description(what).build()
    };
    let counter = |name: &'static str, what: &'static str| {
        meter.u64_counter(name).with_description(what).build()
    };
    Meters {
        actions: gauge("writ.actions", "Actions that have not ended, by status"),
        commands: gauge("writ.commands", "Commands that have not ended, by status: held, sent"),
        late: meter
            .f64_gauge("writ.actions.late")
            .with_unit("s")
            .with_description("How long ago the first action should have begun that has not")
            .build(),
        closed: counter(
            "writ.commands.closed",
            "Answers of agents that were taken, and commands that ended without one, by status",
        ),
        refused: counter(
            "writ.results.refused",
            "Answers to commands that were never given to that agent",
        ),
    }
});

fn service() -> KeyValue {
    KeyValue::new("service.name", "scheduler")
}

/// Counts commands that ended, once that is committed.
pub(super) fn closed(status: CommandStatus, count: i64) {
    let count = u64::try_from(count).unwrap_or(0);
    store::after_commit(move || {
        METERS.closed.add(count, &[service(), KeyValue::new("status", status.name())]);
    });
}

/// Counts answers that change nothing because the command was never given to that agent.
pub(super) fn refused(count: u64) {
    METERS.refused.add(count, &[service()]);
}

impl App {
    /// Measures what has not ended.
    pub(crate) async fn measure(&self) -> Result<(), Error> {
        METERS.refused.add(0, &[service()]);
        closed(CommandStatus::Success, 0);
        let open = runs_open(&mut *self.store.get().await?).await?;
        let of = |status: &str| open.iter().find(|row| row.status == status);
        for status in RunStatus::OPEN {
            let count = of(status.name()).map_or(0, |row| row.actions);
            METERS.actions.record(count, &[service(), KeyValue::new("status", status.name())]);
        }
        let first = of(RunStatus::Pending.name()).map(|row| self.clock.now() - row.first);
        let late = first.map_or(0.0, |late| late.as_seconds_f64().max(0.0));
        METERS.late.record(late, &[service()]);
        let held = open.iter().map(|row| row.held).sum();
        let sent = open.iter().map(|row| row.sent).sum();
        for (status, count) in [("held", held), ("sent", sent)] {
            METERS.commands.record(count, &[service(), KeyValue::new("status", status)]);
        }
        Ok(())
    }
}
