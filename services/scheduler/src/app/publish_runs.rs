//! Tells changes of runs that were held back so that a busy run does not flood the others.

use super::App;
use crate::error::Error;
use crate::store::runs::run_take_unpublished;
use tracing::Instrument;

impl App {
    /// Tells how each run stands whose last change was held back.
    pub(crate) async fn publish_runs(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let told = self
            .store
            .tx(async |conn| -> Result<usize, Error> {
                let runs = run_take_unpublished(conn, now).await?;
                let (traced, others): (Vec<_>, Vec<_>) =
                    runs.iter().partition(|run| run.traceparent.is_some());
                let changed: Vec<_> = others.iter().map(|run| run.changed(now)).collect();
                self.bus.put_all(conn, now, &changed).await?;
                for run in traced {
                    let changed = run.changed(now);
                    let span = run.span("tell");
                    self.bus.put(conn, now, &changed).instrument(span).await?;
                }
                Ok(runs.len())
            })
            .await?;
        if told > 0 {
            self.bus.wake();
        }
        Ok(())
    }
}
