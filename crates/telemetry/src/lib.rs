//! Logs, traces and metrics, set up in one call before anything else of a process runs.
//!
//! Logs are JSON lines on stderr and carry the trace's id. Traces and metrics go out by OTLP over HTTP where an
//! endpoint is given; metrics can always be scraped. Trace ids exist without a collector too, so that a request can be
//! followed through the logs of all services.

mod export;
mod line;

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{Registry, TextEncoder};
use std::io::IsTerminal;
use std::sync::OnceLock;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Says how log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// One JSON object per line, for machines.
    #[default]
    Json,
    /// Short lines for people.
    Pretty,
}

/// Is what a process decides about its telemetry.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The process's name: `scheduler`.
    pub service: &'static str,
    /// Which events are logged, in the language of `tracing`'s filters: `info,scheduler=debug`.
    pub filter: String,
    /// How log lines look.
    pub format: Format,
    /// The collector's base URL, for example `http://collector:4318`; nothing is sent without one.
    pub otlp_endpoint: Option<String>,
}

/// Sends what is left when it is dropped; the process holds it until its end.
#[must_use = "dropping it ends all telemetry"]
pub struct Guard {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A collector that is gone must not hold up the end of the process: the exporters have time-outs.
        let _ = self.traces.shutdown();
        let _ = self.metrics.shutdown();
    }
}

static REGISTRY: OnceLock<Registry> = OnceLock::new();
/// Is where lapin writes down a message that no queue wanted, with its whole body: never to be logged.
const BODIES: &str = "lapin::returned_messages";

/// Installs the process's subscriber, propagator and meter. It must be called once, outside of any asynchronous task
/// and after the process has chosen its cryptography.
pub fn init(settings: &Settings) -> anyhow::Result<Guard> {
    let filter = EnvFilter::try_new(&settings.filter)
        .with_context(|| format!("the log filter {:?} does not parse", settings.filter))?
        .add_directive(format!("{BODIES}=off").parse().context("a filter of our own")?);
    let registry = Registry::new();
    let (traces, metrics) = export::providers(settings, &registry)?;
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    opentelemetry::global::set_meter_provider(metrics.clone());
    opentelemetry::global::set_tracer_provider(traces.clone());
    let lines = match settings.format {
        Format::Json => line::json(settings.service).boxed(),
        Format::Pretty => {
            let layer = tracing_subscriber::fmt::layer().compact().with_writer(std::io::stderr);
            layer.with_ansi(std::io::stderr().is_terminal()).boxed()
        }
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(spans(&traces, settings.service))
        .try_init()
        .context("telemetry was set up twice in one process")?;
    let _ = REGISTRY.set(registry);
    export::complain_of_variables(settings);
    if settings.otlp_endpoint.is_some() && !export::is_disabled() {
        export::check(&traces)?;
    }
    Ok(Guard { traces, metrics })
}

/// Gives every metric of the process in Prometheus' text form.
pub fn metrics_text() -> String {
    let families = REGISTRY.get().map(Registry::gather).unwrap_or_default();
    TextEncoder::new().encode_to_string(&families).unwrap_or_else(|error| {
        tracing::warn!(%error, "metrics could not be written");
        String::new()
    })
}

/// Keeps spans of `info` and above for the trace; the libraries below speak only of what went wrong.
fn spans<S>(traces: &SdkTracerProvider, service: &'static str) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let filter = tracing_subscriber::filter::Targets::new()
        .with_default(tracing::Level::INFO)
        .with_targets(
            ["h2", "hyper", "lapin", "rustls", "tokio_postgres"].map(|t| (t, tracing::Level::WARN)),
        )
        .with_target(BODIES, tracing::level_filters::LevelFilter::OFF);
    tracing_opentelemetry::layer()
        .with_tracer(traces.tracer(service))
        .with_location(false)
        .with_threads(false)
        .with_filter(filter)
}
