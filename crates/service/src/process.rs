//! What all processes share: cryptography, telemetry, the runtime, signals.

use crate::wait::Stopped;
use anyhow::{Context, anyhow};
use clap::Args;
use messaging::Shutdown;
use std::future::Future;
use std::process::ExitCode;
use telemetry::Format;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Leaves out what the libraries below say of themselves; messaging tells of lapin what matters.
const QUIET: &str = "info,lapin=off,opentelemetry=warn,opentelemetry_sdk=warn,actix_server=warn";

/// Holds the settings of a process's telemetry.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logs, traces, metrics")]
pub(crate) struct Telemetry {
    /// Which events are logged, for example info,scheduler=debug
    #[arg(long, env = "WRIT_LOG", value_name = "FILTER", default_value = QUIET)]
    log: String,
    /// How log lines look
    #[arg(long, env = "WRIT_LOG_FORMAT", value_name = "FORMAT", default_value = "json", value_parser = ["json", "pretty"])]
    log_format: String,
    /// The collector of traces and metrics; without one nothing is sent
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
}

/// Runs `work` in a process that is set up; the first SIGTERM or SIGINT triggers the shutdown it is given, the second
/// ends the process at once.
pub(crate) fn run<F, T>(
    service: &'static str,
    telemetry: &Telemetry,
    work: F,
) -> anyhow::Result<ExitCode>
where
    F: FnOnce(Shutdown) -> T,
    T: Future<Output = anyhow::Result<ExitCode>>,
{
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|other| anyhow!("the process had chosen its cryptography before: {other:?}"))?;
    let _guard = telemetry::init(&telemetry::Settings {
        service,
        filter: telemetry.log.clone(),
        format: if telemetry.log_format == "pretty" { Format::Pretty } else { Format::Json },
        otlp_endpoint: telemetry.otlp_endpoint.clone().filter(|url| !url.is_empty()),
    })?;
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panicked")));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let code = runtime.block_on(async {
        let shutdown = Shutdown::new();
        let mut signals = Signals::new()?;
        let work = work(shutdown.clone());
        tokio::pin!(work);
        tokio::select! {
            code = &mut work => return code,
            () = signals.next() => shutdown.trigger(),
        }
        tokio::select! {
            code = work => code,
            () = signals.next() => {
                tracing::warn!("told to stop twice; ending at once");
                Ok(ExitCode::FAILURE)
            }
        }
    });
    let code = code.unwrap_or_else(|error| fail(&error));
    // what hangs beyond its deadline must not hold up the end
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(code)
}

fn fail(error: &anyhow::Error) -> ExitCode {
    if error.is::<Stopped>() {
        return ExitCode::SUCCESS;
    }
    tracing::error!(error = format!("{error:#}"), "the process failed");
    ExitCode::FAILURE
}

struct Signals(Signal, Signal);

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self(signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    }

    async fn next(&mut self) {
        let name = tokio::select! {
            _ = self.0.recv() => "SIGTERM",
            _ = self.1.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "told to stop");
    }
}
