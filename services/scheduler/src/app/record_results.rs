//! Counts what agents answered.

use super::App;
use crate::error::Error;
use crate::store::commands::commands_close;
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
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let new = inbox::admit(conn, "scheduler.commands", &ids, now).await?;
                let fresh = returned.iter().filter(|event| new.contains(&event.id));
                let answers: Vec<_> = fresh
                    .flat_map(|event| &event.data.commands)
                    .filter(|answer| answer.status.is_an_answer())
                    .cloned()
                    .collect();
                if answers.is_empty() {
                    return Ok(());
                }
                let commands: Vec<_> = answers.iter().map(|answer| answer.id.0).collect();
                runs_lock(conn, &commands).await?;
                let runs = commands_close(conn, &answers, now).await?;
                let changed: Vec<_> = runs.iter().map(|run| run.changed(now)).collect();
                self.bus.put_all(conn, now, &changed).await?;
                Ok(())
            })
            .await?;
        self.bus.wake();
        Ok(())
    }
}
