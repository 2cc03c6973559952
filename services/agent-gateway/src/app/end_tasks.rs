//! Tasks that were handed out and never answered: agents tell of no failure, so that silence is all there is to see.

use super::App;
use super::record_run::Ended;
use crate::error::Error;
use crate::store::offers::{self, Silent, TaskMail};
use crate::store::runs;
use store::Conn;
use time::OffsetDateTime;
use types::{CommandId, CommandStatus, OperationResult, TaskId};

const AT_ONCE: i64 = 200;
const UNANSWERED: &str = "the agent took the task and did not answer; it tells of no failure, its own log may; agents \
                          0.1.0 never answer";

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
                let overdue = offers::tasks_overdue(conn, &commands).await?;
                let silent =
                    held.into_iter().filter(|mail| mail.open && overdue.contains(&mail.command));
                self.fail_tasks(conn, silent.collect(), UNANSWERED, now).await
            })
            .await
    }

    /// Fails commands whose tasks will not all be answered: what came back is kept, and the rest says `why` nothing
    /// did.
    pub(super) async fn fail_tasks(
        &self,
        conn: &mut Conn,
        mail: Vec<TaskMail>,
        why: &str,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let commands: Vec<CommandId> = mail.iter().map(|mail| mail.command).collect();
        let mut answers = runs::answers_of(conn, &commands).await?;
        let limit = self.config.max_result;
        let ended = mail.into_iter().map(|mail| {
            let answers = answers.remove(&mail.command).unwrap_or_default();
            let results = answers.into_iter().map(|answer| match answer {
                Some(answer) => answer.into_result(limit),
                None => OperationResult {
                    errors: Some(vec![why.to_owned()]),
                    ..OperationResult::default()
                },
            });
            Ended { mail, status: CommandStatus::Failed, results: results.collect() }
        });
        let ended = ended.collect();
        offers::mailbox_drop(conn, &commands).await?;
        self.put_results(conn, ended, now).await
    }
}
