//! Counts what agents answered.

use super::{App, run_meters};
use crate::domain::answer::Answers;
use crate::error::Error;
use crate::store::commands::{ClosedRow, commands_close, commands_foreign};
use crate::store::runs::{RunRow, runs_lock};
use messaging::inbox;
use types::{CommandStatus, Envelope};

impl App {
    /// Closes the commands that `returned` answers, and tells the runs that changed.
    pub(crate) async fn record_results(&self, returned: &[Envelope<Answers>]) -> Result<(), Error> {
        let now = self.clock.now();
        let ids: Vec<_> = returned.iter().map(|event| event.id).collect();
        let (closed, foreign) = self
            .store
            .tx(async |conn| -> Result<_, Error> {
                let new = inbox::admit(conn, "scheduler.commands", &ids, now).await?;
                let fresh = returned.iter().filter(|event| new.contains(&event.id));
                let answers: Vec<_> = fresh
                    .flat_map(|event| &event.data.commands)
                    .filter(|answer| answer.status.is_an_answer())
                    .collect();
                if answers.is_empty() {
                    return Ok((vec![], 0));
                }
                let commands: Vec<_> = answers.iter().map(|answer| answer.id.0).collect();
                runs_lock(conn, &commands).await?;
                let closed = commands_close(conn, &answers, now).await?;
                let told = closed.iter().map(|closed| &closed.run).filter(|run| !run.unpublished);
                let changed: Vec<_> = told.map(|run| run.changed(now)).collect();
                self.bus.put_all(conn, now, &changed).await?;
                Ok((closed, commands_foreign(conn, &answers).await?))
            })
            .await?;
        self.bus.wake();
        let due = |run: &RunRow| run.dispatch.look.is_some_and(|look| look <= now);
        if closed.iter().any(|closed| due(&closed.run)) {
            self.held.notify_one();
        }
        refuse(foreign);
        closed.iter().for_each(count);
        Ok(())
    }
}

/// Counts the answers that were taken.
fn count(closed: &ClosedRow) {
    for (status, count) in [
        (CommandStatus::Success, closed.to_success),
        (CommandStatus::Failed, closed.to_failed),
        (CommandStatus::Timeout, closed.to_timeout),
    ] {
        run_meters::closed(status, count);
    }
}

/// Counts answers that change nothing because the command was never given to that agent.
fn refuse(foreign: i64) {
    if let Ok(count @ 1..) = u64::try_from(foreign) {
        run_meters::refused(count);
        tracing::warn!(answers = count, "refused answers of agents that were not asked");
    }
}
