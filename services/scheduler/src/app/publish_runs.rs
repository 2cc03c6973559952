//! Tells changes of runs that were held back so that a busy run does not flood the others.

use super::App;
use crate::error::Error;
use crate::store::runs::run_take_unpublished;

impl App {
    /// Tells how each run stands whose last change was held back, each in the trace in which it was accepted.
    pub(crate) async fn publish_runs(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let told = self
            .store
            .tx(async |conn| -> Result<usize, Error> {
                let runs = run_take_unpublished(conn, now).await?;
                let told: Vec<_> = runs.iter().map(|run| (run.changed(now), run.trace())).collect();
                let told: Vec<_> = told.iter().map(|(changed, trace)| (changed, trace)).collect();
                self.bus.put_traced(conn, now, &told).await?;
                Ok(told.len())
            })
            .await?;
        if told > 0 {
            self.bus.wake();
        }
        Ok(())
    }
}
