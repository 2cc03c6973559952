//! Where spans and measures go.
//!
//! Exporting uses the blocking HTTP client on the SDK's own threads: the asynchronous one finds no reactor there,
//! panics once and is silent ever after.
//!
//! The SDK and its exporters read most of the standard variables themselves. Those that they do not know are read here:
//! `OTEL_SDK_DISABLED`, `OTEL_SERVICE_NAME` above the process's own name, and the files of certificates.

use crate::Settings;
use anyhow::Context;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use prometheus::Registry;
use std::time::Duration;

/// Begins the names of the variables of the exporters.
const OTLP: &str = "OTEL_EXPORTER_OTLP_";

/// Gives a variable that is set to something.
#[expect(
    clippy::disallowed_methods,
    reason = "OpenTelemetry's own variables are no settings of ours"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Tells whether nothing is to be sent. What is scraped is not the SDK's business alone: alerts stand on it.
pub(crate) fn is_disabled() -> bool {
    variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Makes both providers; without an endpoint spans only give ids and measures can only be scraped.
pub(crate) fn providers(
    settings: &Settings,
    registry: &Registry,
) -> anyhow::Result<(SdkTracerProvider, SdkMeterProvider)> {
    let resource = Resource::builder()
        .with_service_name(variable("OTEL_SERVICE_NAME").unwrap_or(settings.service.to_owned()))
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
    if let Some(base) = settings.otlp_endpoint.as_deref().filter(|_| !is_disabled()) {
        let base = base.trim_end_matches('/');
        let mut spans =
            SpanExporter::builder().with_http().with_endpoint(format!("{base}/v1/traces"));
        if let Some(client) = client("TRACES")? {
            spans = spans.with_http_client(client);
        }
        let spans = spans.build().with_context(|| format!("traces cannot be sent to {base:?}"))?;
        let mut measures =
            MetricExporter::builder().with_http().with_endpoint(format!("{base}/v1/metrics"));
        if let Some(client) = client("METRICS")? {
            measures = measures.with_http_client(client);
        }
        let measures =
            measures.build().with_context(|| format!("metrics cannot be sent to {base:?}"))?;
        traces = traces.with_batch_exporter(spans);
        metrics = metrics.with_periodic_exporter(measures);
    } else {
        traces = traces.with_sampler(Sampler::AlwaysOff);
    }
    Ok((traces.build(), metrics.build()))
}

/// Makes the client of a signal for which files of certificates are named; nothing when none are.
fn client(signal: &str) -> anyhow::Result<Option<reqwest::blocking::Client>> {
    let given = |name: &str| {
        let names = [format!("{OTLP}{signal}_{name}"), format!("{OTLP}{name}")];
        names.into_iter().find_map(|name| variable(&name).map(|value| (name, value)))
    };
    let read = |name: &str| -> anyhow::Result<Option<Vec<u8>>> {
        let Some((name, file)) = given(name) else { return Ok(None) };
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {name} {file}"))?;
        Ok(Some(bytes))
    };
    let authorities = read("CERTIFICATE")?;
    let (certificate, key) = (read("CLIENT_CERTIFICATE")?, read("CLIENT_KEY")?);
    if authorities.is_none() && certificate.is_none() && key.is_none() {
        return Ok(None);
    }
    let patience = given("TIMEOUT").and_then(|(_, value)| value.parse().ok()).unwrap_or(10_000);
    let mut builder = reqwest::blocking::Client::builder().timeout(Duration::from_millis(patience));
    if let Some(pem) = authorities {
        let authorities = reqwest::Certificate::from_pem_bundle(&pem)
            .with_context(|| format!("{OTLP}CERTIFICATE holds no certificate"))?;
        builder = builder.tls_certs_only(authorities);
    }
    builder = match (certificate, key) {
        (Some(certificate), Some(key)) => {
            let pem = [certificate, b"\n".to_vec(), key].concat();
            let identity = reqwest::Identity::from_pem(&pem)
                .with_context(|| format!("{OTLP}CLIENT_CERTIFICATE and CLIENT_KEY do not fit"))?;
            builder.identity(identity)
        }
        (None, None) => builder,
        _ => anyhow::bail!(
            "only one of {OTLP}CLIENT_CERTIFICATE and {OTLP}CLIENT_KEY is set; both are needed"
        ),
    };
    let client = builder.build().context("the collector's certificates cannot be used")?;
    Ok(Some(client))
}

/// Says what of the environment is not followed.
pub(crate) fn complain_of_variables(settings: &Settings) {
    if is_disabled() && settings.otlp_endpoint.is_some() {
        tracing::warn!("OTEL_SDK_DISABLED is true: neither traces nor metrics are sent");
    }
    for name in ["PROTOCOL", "TRACES_PROTOCOL", "METRICS_PROTOCOL"] {
        let name = format!("{OTLP}{name}");
        if let Some(protocol) = variable(&name).filter(|protocol| protocol != "http/protobuf") {
            tracing::warn!(name, protocol, "is not spoken; http/protobuf is");
        }
    }
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
