//! Tasks that were handed out and never answered: agents tell of no failure, so that silence is all there is to see.

use super::App;
use super::record_run::Ended;
use crate::error::Error;
use crate::store::offers::{self, Silent};
use crate::store::runs;
use types::{CommandId, CommandStatus, OperationResult, TaskId};

const AT_ONCE: i64 = 200;

impl App {
    /// Marks silent tasks as overdue and fails the commands that they are part of; an answer that comes all the same is
    /// still taken.
    pub async fn end_tasks(&self) -> Result<(), Error> {
        loop {
            let terms = self.task_terms();
            let long_ago = terms.now - self.config.task_lease;
            let mut conn = self.store.get().await?;
            let silent = offers::tasks_silent(&mut conn, terms, long_ago, AT_ONCE).await?;
            drop(conn);
            if silent.is_empty() {
                return Ok(());
            }
            self.end_silent(&silent).await?;
            self.bus.wake();
        }
    }

    async fn end_silent(&self, silent: &[Silent]) -> Result<(), Error> {
        let now = self.clock.now();
        let mut commands: Vec<CommandId> = silent.iter().filter_map(|task| task.mail).collect();
        commands.dedup();
        let tasks: Vec<TaskId> = silent.iter().map(|task| task.id).collect();
        self.store
            .tx(async |conn| {
                let held = offers::mailbox_hold(conn, &commands).await?;
                offers::tasks_end(conn, &tasks, now).await?;
                let mut answers = runs::answers_of(conn, &commands).await?;
                let mut ended = Vec::new();
                for mail in held.into_iter().filter(|mail| mail.open) {
                    let overdue = offers::tasks_overdue(conn, mail.command).await?;
                    if overdue == 0 {
                        continue;
                    }
                    let limit = self.config.max_result;
                    let answers = answers.remove(&mail.command).unwrap_or_default();
                    let results = answers.into_iter().map(|answer| match answer {
                        Some(answer) => answer.into_result(limit),
                        None => unanswered(),
                    });
                    let results = results.collect();
                    ended.push(Ended { mail, status: CommandStatus::Failed, results });
                }
                let dropped: Vec<CommandId> =
                    ended.iter().map(|ended| ended.mail.command).collect();
                offers::mailbox_drop(conn, &dropped).await?;
                self.put_results(conn, ended, now).await?;
                Ok(())
            })
            .await
    }
}

fn unanswered() -> OperationResult {
    let reason =
        "the agent took the task and did not answer; it tells of no failure, its own log may";
    OperationResult { errors: Some(vec![reason.into()]), ..OperationResult::default() }
}
