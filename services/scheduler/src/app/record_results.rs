//! Counts what agents answered.

use super::{App, run_meters};
use crate::error::Error;
use crate::store::commands::{commands_close, commands_foreign};
use crate::store::runs::runs_lock;
use messaging::inbox;
use types::Envelope;
use types::messages::CommandReturned;

impl App {
    /// Closes the commands that `returned` answers, and tells the runs that changed.
    pub(crate) async fn record_results(
        &self,
        returned: Vec<Envelope<CommandReturned>>,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let ids: Vec<_> = returned.iter().map(|event| event.id).collect();
        let held = self
            .store
            .tx(async |conn| -> Result<bool, Error> {
                let new = inbox::admit(conn, "scheduler.commands", &ids, now).await?;
                let fresh = returned.iter().filter(|event| new.contains(&event.id));
                let answers: Vec<_> = fresh
                    .flat_map(|event| &event.data.commands)
                    .filter(|answer| answer.status.is_an_answer())
                    .cloned()
                    .collect();
                if answers.is_empty() {
                    return Ok(false);
                }
                let commands: Vec<_> = answers.iter().map(|answer| answer.id.0).collect();
                runs_lock(conn, &commands).await?;
                let runs = commands_close(conn, &answers, now).await?;
                for answer in &answers {
                    run_meters::closed(answer.status, 1);
                }
                let told = runs.iter().filter(|run| !run.unpublished);
                let changed: Vec<_> = told.map(|run| run.changed(now)).collect();
                self.bus.put_all(conn, now, &changed).await?;
                refuse(commands_foreign(conn, &answers).await?);
                Ok(runs.iter().any(|run| run.dispatch.look.is_some()))
            })
            .await?;
        self.bus.wake();
        if held {
            self.held.notify_one();
        }
        Ok(())
    }
}

/// Counts answers that change nothing because the command was never given to that agent.
fn refuse(foreign: i64) {
    if let Ok(count @ 1..) = u64::try_from(foreign) {
        run_meters::refused(count);
        tracing::warn!(answers = count, "refused answers of agents that were not asked");
    }
}
