//! What is counted.

use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::{KeyValue, global};

/// Holds the instruments of one service.
pub(crate) struct Meters {
    service: &'static str,
    pending: Gauge<i64>,
    oldest: Gauge<f64>,
    published: Counter<u64>,
    consumed: Counter<u64>,
    lag: Histogram<f64>,
}

impl Meters {
    pub(crate) fn new(service: &'static str) -> Self {
        let meter = global::meter("messaging");
        Self {
            service,
            pending: meter
                .i64_gauge("messaging.outbox.pending")
                .with_description("Messages in the outbox")
                .build(),
            oldest: meter
                .f64_gauge("messaging.outbox.age")
                .with_unit("s")
                .with_description("Age of the oldest message in the outbox")
                .build(),
            published: meter
                .u64_counter("messaging.published")
                .with_description(
                    "Messages given to the broker, by outcome: confirmed, returned, refused, lost",
                )
                .build(),
            consumed: meter
                .u64_counter("messaging.consumed")
                .with_description(
                    "Messages taken, by outcome: done, retried, postponed, dead, dropped",
                )
                .build(),
            lag: meter
                .f64_histogram("messaging.lag")
                .with_unit("s")
                .with_description("Time from writing a message to its first handling")
                .with_boundaries(vec![
                    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0,
                ])
                .build(),
        }
    }

    pub(crate) fn pending(&self, count: i64, oldest_seconds: f64) {
        let service = [KeyValue::new("service", self.service)];
        self.pending.record(count, &service);
        self.oldest.record(oldest_seconds, &service);
    }

    pub(crate) fn published(&self, outcome: &'static str, kind: &str) {
        let attributes = [
            KeyValue::new("service", self.service),
            KeyValue::new("outcome", outcome),
            KeyValue::new("kind", kind.to_owned()),
        ];
        self.published.add(1, &attributes);
    }

    pub(crate) fn consumed(&self, outcome: &'static str, queue: &str, count: usize) {
        let attributes = [
            KeyValue::new("service", self.service),
            KeyValue::new("outcome", outcome),
            KeyValue::new("queue", queue.to_owned()),
        ];
        self.consumed.add(u64::try_from(count).unwrap_or(u64::MAX), &attributes);
    }

    pub(crate) fn lag(&self, queue: &str, seconds: f64) {
        let attributes =
            [KeyValue::new("service", self.service), KeyValue::new("queue", queue.to_owned())];
        self.lag.record(seconds, &attributes);
    }
}
