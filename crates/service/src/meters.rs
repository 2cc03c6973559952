//! What every service measures of itself once a second, beside what its parts do.

use crate::Parts;
use opentelemetry::metrics::Gauge;
use opentelemetry::{KeyValue, global};
use std::sync::LazyLock;
use time::OffsetDateTime;

struct Meters {
    up: Gauge<u64>,
    age: Gauge<f64>,
    fresh: Gauge<u64>,
    connections: Gauge<u64>,
    most_connections: Gauge<u64>,
    waiting: Gauge<u64>,
}

static METERS: LazyLock<Meters> = LazyLock::new(|| {
    let meter = global::meter("service");
    let gauge = |name: &'static str, what: &'static str| {
        meter.u64_gauge(name).with_description(what).build()
    };
    let age = "How long ago the investigators were known to equal their owner's";
    Meters {
        up: gauge("writ.dependency.up", "Whether what the service depends on is there"),
        age: meter.f64_gauge("writ.replica.age").with_unit("s").with_description(age).build(),
        fresh: gauge(
            "writ.replica.fresh",
            "Whether something may be changed on the word of the copy of the investigators",
        ),
        connections: gauge("db.client.connection.count", "Connections in the pool, by state"),
        most_connections: gauge("db.client.connection.max", "Connections the pool may have"),
        waiting: gauge(
            "db.client.connection.pending_requests",
            "Callers that wait for a connection",
        ),
    }
});

/// Notes how the service stands.
pub(crate) fn look(parts: &Parts, up: [(&'static str, bool); 3], now: OffsetDateTime) {
    let service = || KeyValue::new("service.name", parts.bus.service());
    for (name, up) in up {
        METERS.up.record(up.into(), &[service(), KeyValue::new("dependency", name)]);
    }
    if let Some(age) = parts.replica.age(now) {
        METERS.age.record(age.as_seconds_f64(), &[service()]);
    }
    METERS.fresh.record(parts.replica.is_fresh(now).into(), &[service()]);
    let pool = parts.store.connections();
    for (state, count) in [("idle", pool.idle), ("used", pool.used)] {
        let state = KeyValue::new("db.client.connection.state", state);
        METERS.connections.record(count, &[service(), state]);
    }
    METERS.most_connections.record(pool.most, &[service()]);
    METERS.waiting.record(pool.waiting, &[service()]);
}
