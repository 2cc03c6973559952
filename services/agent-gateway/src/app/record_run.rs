//! A RunbookSolutions agent tells what came back from a task.

use super::App;
use super::record_returns::Prepared;
use crate::domain::answer::in_messages;
use crate::domain::task::Outcome;
use crate::error::Error;
use crate::store::offers::{self, TaskMail};
use crate::store::{mailbox, runs};
use store::Conn;
use time::OffsetDateTime;
use tracing::Instrument;
use types::api::work::Return;
use types::messages::command::ReturnedCommand;
use types::{AgentId, CommandStatus, OperationResult, RunId, TaskId};
use uuid::Uuid;

/// How many runs of one task are kept, and how many bytes of them.
const RUNS_KEPT: i64 = 1_000;
const BYTES_KEPT: i64 = 64 << 20;

const UNKNOWN: Error = Error::NotFound("task of this agent");

impl App {
    /// Refuses a task that is not the agent's; asked before its result is read.
    pub(crate) async fn check_task(&self, agent: AgentId, task: TaskId) -> Result<(), Error> {
        let found = runs::task_find(&mut *self.store.get().await?, task, agent).await?;
        found.map(drop).ok_or(UNKNOWN)
    }

    /// Keeps a run. An agent does not name its runs and never tells one twice: a task that runs once takes as many as it
    /// was handed out, more of them change nothing. The last operation of a signed action that is answered closes its
    /// command.
    pub(crate) async fn record_run(
        &self,
        agent: AgentId,
        task: TaskId,
        outcome: &Outcome,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| {
                let mail = runs::task_find(conn, task, agent).await?.ok_or(UNKNOWN)?;
                // the command before the task, always: two operations of it may be answered at the same time
                let held = match mail {
                    Some(command) => offers::mailbox_hold(conn, &[command]).await?.pop(),
                    None => None,
                };
                if !runs::task_hold(conn, task).await? {
                    return Ok(());
                }
                runs::run_insert(conn, task, outcome, now).await?;
                runs::runs_trim(conn, task, RUNS_KEPT, BYTES_KEPT).await?;
                if let Some(mail) = held {
                    self.close_when_answered(conn, &mail, now).await?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        self.bus.wake();
        Ok(())
    }

    async fn close_when_answered(
        &self,
        conn: &mut Conn,
        mail: &TaskMail,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let answers = runs::answers_of(conn, mail.command).await?;
        let limit = self.config.max_result;
        let results: Option<Vec<OperationResult>> =
            answers.into_iter().map(|answer| Some(answer?.into_result(limit))).collect();
        let complete = results.filter(|results| results.len() == mail.operations);
        let Some(results) = complete.filter(|_| !mail.returned) else { return Ok(()) };
        mailbox::mailbox_close(conn, &[mail.command], now).await?;
        self.put_results(conn, mail, CommandStatus::Success, results, now).await
    }

    /// Tells the house how a command of tasks ended.
    pub(super) async fn put_results(
        &self,
        conn: &mut Conn,
        mail: &TaskMail,
        status: CommandStatus,
        results: Vec<OperationResult>,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let answer = Return { run: RunId(Uuid::nil()), status, results };
        let (results, size) = Prepared::new(answer, self.config.max_result).into_results();
        let returned = ReturnedCommand {
            id: mail.command,
            action: mail.action,
            agent: mail.agent,
            status,
            results,
            at: now,
        };
        let span = tracing::info_span!("answer", agent.id = %mail.agent);
        messaging::follow(&span, [&mailbox::document_trace(conn, mail.action).await?]);
        self.bus.put_all(conn, now, &in_messages(vec![(size, returned)])).instrument(span).await?;
        Ok(())
    }
}
