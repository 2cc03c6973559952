//! What a service does by the clock, or when it is woken.

use futures_util::future::BoxFuture;
use messaging::Shutdown;
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tracing::Instrument;

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("service")
        .f64_histogram("writ.job.duration")
        .with_unit("s")
        .with_description("How long jobs took, by name and outcome")
        .build()
});

/// Is one thing done again and again; errors are logged, and the next time may go better.
pub struct Job<S> {
    name: &'static str,
    every: Duration,
    notify: Option<fn(&S) -> &Notify>,
    run: for<'a> fn(&'a S) -> BoxFuture<'a, anyhow::Result<()>>,
}

impl<S: Send + Sync + 'static> Job<S> {
    /// Runs at the start, and again `every` so often after each end.
    pub fn every(
        name: &'static str,
        every: Duration,
        run: for<'a> fn(&'a S) -> BoxFuture<'a, anyhow::Result<()>>,
    ) -> Self {
        Self { name, every, notify: None, run }
    }

    /// Runs at the start, whenever `notify` calls, and after `at_most` without a call.
    pub fn woken(
        name: &'static str,
        at_most: Duration,
        notify: fn(&S) -> &Notify,
        run: for<'a> fn(&'a S) -> BoxFuture<'a, anyhow::Result<()>>,
    ) -> Self {
        Self { name, every: at_most, notify: Some(notify), run }
    }

    /// Gives the name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs it once; for tests, which wait for no clock.
    pub async fn run(&self, service: &S) -> anyhow::Result<()> {
        (self.run)(service).await
    }

    /// Runs it until `shutdown`; the run at hand is ended first.
    pub(crate) async fn repeat(self, of: &'static str, service: &S, shutdown: Shutdown) {
        while !shutdown.is_triggered() {
            self.run_measured(of, service).await;
            tokio::select! {
                () = shutdown.wait() => {}
                () = tokio::time::sleep(self.every) => {}
                () = self.called(service) => {}
            }
        }
    }

    async fn run_measured(&self, of: &'static str, service: &S) {
        let start = Instant::now();
        let span = tracing::debug_span!(parent: None, "job", job.name = self.name);
        let ran = self.run(service).instrument(span).await;
        let outcome = if ran.is_ok() { "done" } else { "failed" };
        // not `job`: that is the scraper's own word
        let labels = [
            KeyValue::new("service.name", of),
            KeyValue::new("job.name", self.name),
            KeyValue::new("outcome", outcome),
        ];
        DURATION.record(start.elapsed().as_secs_f64(), &labels);
        if let Err(error) = ran {
            tracing::warn!(job = self.name, error = format!("{error:#}"), "a job failed");
        }
    }

    async fn called(&self, service: &S) {
        match self.notify {
            Some(notify) => notify(service).notified().await,
            None => std::future::pending().await,
        }
    }
}
