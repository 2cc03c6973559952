//! What is counted: by OpenTelemetry's conventions for messaging where there is one, by names of our own elsewhere.

use crate::EXCHANGE;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};
use opentelemetry::{KeyValue, global};
use std::time::Duration;

/// Names the broker as the conventions do.
pub(crate) const SYSTEM: &str = "rabbitmq";
/// Are the bounds that OpenTelemetry recommends for durations, in seconds, and two more for what was put off.
const SECONDS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 300.0];

/// Holds the instruments of one service.
pub(crate) struct Meters {
    service: &'static str,
    pending: Gauge<i64>,
    oldest: Gauge<f64>,
    depth: Gauge<u64>,
    attached: Gauge<u64>,
    dead: Gauge<u64>,
    published: Counter<u64>,
    sending: Histogram<f64>,
    consumed: Counter<u64>,
    processed: Histogram<f64>,
    lag: Histogram<f64>,
}

impl Meters {
    pub(crate) fn new(service: &'static str) -> Self {
        let meter = global::meter("messaging");
        let gauge = |name: &'static str, what: &'static str| {
            meter.u64_gauge(name).with_description(what).build()
        };
        let counter = |name: &'static str, what: &'static str| {
            meter.u64_counter(name).with_description(what).build()
        };
        let pending = meter.i64_gauge("writ.outbox.pending");
        let oldest = meter.f64_gauge("writ.outbox.age").with_unit("s");
        Self {
            service,
            pending: pending.with_description("Messages in the outbox").build(),
            oldest: oldest.with_description("Age of the oldest message in the outbox").build(),
            depth: gauge("writ.queue.messages", "Messages that wait in a queue of the service"),
            attached: gauge("writ.queue.attached", "Whether the consumer has its queue"),
            dead: gauge("writ.dead.letters", "Messages among the dead letters"),
            published: counter(
                "messaging.client.sent.messages",
                "Messages given to the broker, by outcome: confirmed, returned, refused, lost",
            ),
            sending: seconds(
                &meter,
                "messaging.client.operation.duration",
                "How long the broker took to confirm what was given to it at once",
            ),
            consumed: counter(
                "messaging.client.consumed.messages",
                "Messages taken, by outcome: done, retried, postponed, dead, dropped",
            ),
            processed: seconds(
                &meter,
                "messaging.process.duration",
                "How long batches of messages took to process",
            ),
            lag: seconds(
                &meter,
                "writ.queue.lag",
                "Time from writing a message to its first handling",
            ),
        }
    }

    pub(crate) fn pending(&self, count: i64, oldest_seconds: f64) {
        let service = [self.service()];
        self.pending.record(count, &service);
        self.oldest.record(oldest_seconds, &service);
    }

    pub(crate) fn depth(&self, queue: &str, messages: u32) {
        self.depth.record(messages.into(), &self.queue(queue));
    }

    pub(crate) fn attached(&self, queue: &str, attached: bool) {
        self.attached.record(attached.into(), &self.queue(queue));
    }

    /// Notes how many dead letters there are, whoever they were for.
    pub(crate) fn dead(&self, messages: u32) {
        self.dead.record(messages.into(), &[self.service()]);
    }

    pub(crate) fn published(&self, outcome: &'static str, kind: &str) {
        let mut attributes = vec![self.service(), KeyValue::new("outcome", outcome)];
        attributes.push(KeyValue::new("kind", kind.to_owned()));
        attributes.extend(operation("publish"));
        attributes.push(KeyValue::new("messaging.destination.name", EXCHANGE));
        attributes.extend((outcome != "confirmed").then(|| KeyValue::new("error.type", outcome)));
        self.published.add(1, &attributes);
    }

    /// Notes how long the broker took for messages that were sent together.
    pub(crate) fn sent(&self, fault: Option<&'static str>, took: Duration) {
        let mut attributes = vec![self.service()];
        attributes.extend(operation("publish"));
        attributes.push(KeyValue::new("messaging.operation.type", "send"));
        attributes.push(KeyValue::new("messaging.destination.name", EXCHANGE));
        attributes.extend(fault.map(|fault| KeyValue::new("error.type", fault)));
        self.sending.record(took.as_secs_f64(), &attributes);
    }

    pub(crate) fn consumed(&self, outcome: &'static str, queue: &str, count: usize) {
        let mut attributes = self.queue(queue).to_vec();
        attributes.extend(operation("process"));
        attributes.push(KeyValue::new("outcome", outcome));
        attributes.push(KeyValue::new("messaging.destination.name", queue.to_owned()));
        self.consumed.add(u64::try_from(count).unwrap_or(u64::MAX), &attributes);
    }

    pub(crate) fn processed(&self, queue: &str, fault: Option<&'static str>, took: Duration) {
        let mut attributes = self.queue(queue).to_vec();
        attributes.extend(operation("process"));
        attributes.push(KeyValue::new("messaging.destination.name", queue.to_owned()));
        attributes.extend(fault.map(|fault| KeyValue::new("error.type", fault)));
        self.processed.record(took.as_secs_f64(), &attributes);
    }

    pub(crate) fn lag(&self, queue: &str, seconds: f64) {
        self.lag.record(seconds, &self.queue(queue));
    }

    fn service(&self) -> KeyValue {
        KeyValue::new("service.name", self.service)
    }

    fn queue(&self, queue: &str) -> [KeyValue; 2] {
        [self.service(), KeyValue::new("queue", queue.to_owned())]
    }
}

/// Says what is measured, in the words of the conventions; they are still to settle, so they stand here and nowhere
/// else.
fn operation(name: &'static str) -> [KeyValue; 2] {
    [KeyValue::new("messaging.system", SYSTEM), KeyValue::new("messaging.operation.name", name)]
}

fn seconds(meter: &Meter, name: &'static str, what: &'static str) -> Histogram<f64> {
    let histogram = meter.f64_histogram(name).with_unit("s").with_description(what);
    histogram.with_boundaries(SECONDS.to_vec()).build()
}
