//! What operators see of the fleet and its work.

use super::App;
use crate::error::Error;
use crate::store::mailbox::{AGENTS_COUNT, Counted, MAILBOX_COUNT, counted};
use opentelemetry::metrics::{Counter, Gauge};
use opentelemetry::{KeyValue, global};
use std::sync::LazyLock;
use types::api::work::ReceiptOutcome;

struct Meters {
    agents: Gauge<i64>,
    mailbox: Gauge<i64>,
    polls: Gauge<i64>,
    answers: Counter<u64>,
    refused: Counter<u64>,
}

static METERS: LazyLock<Meters> = LazyLock::new(|| {
    let meter = global::meter("agent-gateway");
    let gauge = |name: &'static str, what: &'static str| {
        meter.i64_gauge(name).with_description(what).build()
    };
    Meters {
        agents: gauge("writ.agents", "Agents by status and transport"),
        mailbox: gauge("writ.mailbox.commands", "Commands that wait for agents or are out"),
        polls: gauge("writ.polls.waiting", "Agents whose polls wait here for work"),
        answers: meter
            .u64_counter("writ.answers")
            .with_description("Answers of agents, by what became of them")
            .build(),
        // the scheduler counts its own under the same name: an alert asks for both
        refused: meter
            .u64_counter("writ.results.refused")
            .with_description("Answers that were given by another than the asked agent")
            .build(),
    }
});

fn service() -> KeyValue {
    KeyValue::new("service.name", "agent-gateway")
}

/// Counts answers that do not belong to their command and agent.
pub(super) fn refused(count: usize) {
    METERS.refused.add(u64::try_from(count).unwrap_or(u64::MAX), &[service()]);
}

/// Counts an answer.
pub(super) fn answered(outcome: ReceiptOutcome) {
    if outcome == ReceiptOutcome::Refused {
        refused(1);
    }
    METERS.answers.add(1, &[service(), KeyValue::new("outcome", name(outcome))]);
}

impl App {
    /// Counts the agents whose polls wait here for work.
    pub fn count_polls(&self) -> usize {
        self.doors.waiting().len()
    }

    /// Tells whether heartbeats of MIG's agents over AMQP come in here.
    pub fn hears_mig(&self) -> bool {
        self.mig.hears()
    }

    /// Tells whether commands of MIG's agents could be read here last time.
    pub fn reads_mailbox(&self) -> bool {
        self.mailbox.is_there()
    }

    /// Counts how often the queues of MIG's heartbeats and answers were attached to here.
    pub fn count_attached(&self) -> u64 {
        self.mig.count_attached()
    }

    /// Counts agents and what waits for them.
    pub(crate) async fn measure(&self) -> Result<(), Error> {
        refused(0);
        METERS.polls.record(i64::try_from(self.count_polls()).unwrap_or(i64::MAX), &[service()]);
        let mut conn = self.store.get().await?;
        let agents = counted(&mut conn, AGENTS_COUNT).await?;
        for transport in ["writ", "runbook", "mig"] {
            for status in ["online", "idle", "offline"] {
                let same = |row: &&Counted| row.state == status && row.transport == transport;
                let count = agents.iter().find(same).map_or(0, |row| row.count);
                let labels =
                    [KeyValue::new("status", status), KeyValue::new("transport", transport)];
                let [status, transport] = labels;
                METERS.agents.record(count, &[service(), status, transport]);
            }
        }
        let mailbox = counted(&mut conn, MAILBOX_COUNT).await?;
        for state in ["waiting", "leased"] {
            let count = mailbox.iter().find(|row| row.state == state).map_or(0, |row| row.count);
            METERS.mailbox.record(count, &[service(), KeyValue::new("state", state)]);
        }
        Ok(())
    }
}

fn name(outcome: ReceiptOutcome) -> &'static str {
    match outcome {
        ReceiptOutcome::Accepted => "accepted",
        ReceiptOutcome::Duplicate => "duplicate",
        ReceiptOutcome::Refused => "refused",
    }
}
