//! What an operator can see.

use crate::support::{NUMBERS, Process, database};
use messaging::Outcome;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use testkit::{PATIENCE, until, vhost};

#[tokio::test]
async fn what_goes_out_and_comes_in_is_counted() {
    let registry = Registry::new();
    let exporter =
        opentelemetry_prometheus::exporter().with_registry(registry.clone()).build().unwrap();
    opentelemetry::global::set_meter_provider(
        SdkMeterProvider::builder().with_reader(exporter).build(),
    );

    let (database, vhost) = (database().await, vhost().await);
    let mut process = Process::ruled(database.store(), &vhost.settings(), |_, counted, _| {
        (counted.n == 0).then(|| Outcome::Reject("no zero".into()))
    });
    process.put(0..4).await;
    process.relay();
    process.consume(NUMBERS);
    process.effects(3).await;
    let text = || TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for wanted in [
        ["messaging_client_sent_messages_total{", "outcome=\"confirmed\""],
        ["messaging_client_consumed_messages_total{", "outcome=\"done\""],
        ["messaging_client_consumed_messages_total{", "outcome=\"dead\""],
        ["messaging_process_duration_seconds_count{", "error_type=\"reject\""],
        ["writ_queue_lag_seconds_count{", "queue=\"counter.numbers\""],
        ["writ_queue_attached{queue=\"counter.numbers\"", "} 1"],
        ["writ_outbox_pending{", "service_name=\"counter\""],
        ["writ_outbox_age_seconds{", "service_name=\"counter\""],
    ] {
        until(PATIENCE, async || {
            text().lines().any(|line| wanted.iter().all(|part| line.contains(part)))
        })
        .await;
    }
    process.stop().await;
}
