//! What operators see of the fleet that no single agent tells.

use super::count_fleet::Stats;
use opentelemetry::metrics::Gauge;
use opentelemetry::{KeyValue, global};
use std::sync::LazyLock;

static ENDPOINTS: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("investigation-api")
        .i64_gauge("writ.endpoints")
        .with_description("Machines by how the dashboard counts them; one may be of several states")
        .build()
});

/// Tells how the fleet stands.
pub(super) fn fleet(stats: &Stats) {
    for (state, count) in [
        ("online", stats.online_endpoints),
        ("idle", stats.idle_endpoints),
        ("new", stats.new_endpoints),
        ("multi_agents", stats.multi_agents),
        ("disappeared", stats.disappeared),
        ("flapping", stats.flapping),
    ] {
        let service = KeyValue::new("service.name", "investigation-api");
        ENDPOINTS.record(count, &[service, KeyValue::new("state", state)]);
    }
}
