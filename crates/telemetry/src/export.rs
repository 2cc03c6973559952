//! Where spans and measures go.
//!
//! Exporting uses the blocking HTTP client on the SDK's own threads: the asynchronous one finds no reactor there,
//! panics once and is silent ever after.

use crate::Settings;
use anyhow::Context;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use prometheus::Registry;

/// Makes both providers; without an endpoint spans only give ids and measures can only be scraped.
pub(crate) fn providers(
    settings: &Settings,
    registry: &Registry,
) -> anyhow::Result<(SdkTracerProvider, SdkMeterProvider)> {
    let resource = Resource::builder()
        .with_service_name(settings.service)
        .with_attributes([
            KeyValue::new("service.namespace", "writ"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance()),
        ])
        .with_detector(Box::new(EnvResourceDetector::new()))
        .build();
    let scraped = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build()?;
    let mut traces = SdkTracerProvider::builder().with_resource(resource.clone());
    let mut metrics = SdkMeterProvider::builder().with_resource(resource).with_reader(scraped);
    if let Some(base) = &settings.otlp_endpoint {
        let base = base.trim_end_matches('/');
        let spans = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{base}/v1/traces"))
            .build()
            .with_context(|| format!("traces cannot be sent to {base:?}"))?;
        let measures = MetricExporter::builder()
            .with_http()
            .with_endpoint(format!("{base}/v1/metrics"))
            .build()
            .with_context(|| format!("metrics cannot be sent to {base:?}"))?;
        traces = traces.with_batch_exporter(spans);
        metrics = metrics.with_periodic_exporter(measures);
    } else {
        traces = traces.with_sampler(Sampler::AlwaysOff);
    }
    Ok((traces.build(), metrics.build()))
}

/// Tells this process from all others: its machine's name (in a cluster, the pod's), its number and when it began.
fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let began = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let began = began.map_or(0, |since| since.as_secs());
    format!("{}-{}-{began}", host.trim(), std::process::id())
}

/// Sends one span and logs whether it arrived, so that a silent collector is noticed at the start and not when its
/// traces are needed. It does not hold up the start.
pub(crate) fn check(traces: &SdkTracerProvider) -> anyhow::Result<()> {
    let traces = traces.clone();
    std::thread::Builder::new()
        .name("telemetry-check".into())
        .spawn(move || {
            traces.tracer("telemetry").start("telemetry check").end();
            let Err(error) = traces.force_flush() else {
                return tracing::info!("the collector takes spans");
            };
            complain(&error);
        })
        .context("no thread for the check of the collector")?;
    Ok(())
}

fn complain(error: &OTelSdkError) {
    tracing::warn!(%error, "the collector did not take a span; check OTEL_EXPORTER_OTLP_ENDPOINT");
}
