//! RunbookSolutions agents tell what came back from tasks.

use super::App;
use super::record_returns::{Prepared, TOGETHER_BYTES};
use super::together::all_or_each;
use crate::domain::answer::in_messages;
use crate::domain::task::Outcome;
use crate::error::Error;
use crate::store::offers::{self, TaskMail};
use crate::store::runs::{self, Held};
use crate::store::{mailbox, runbook};
use messaging::TraceContext;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::Conn;
use time::OffsetDateTime;
use tracing::Instrument;
use types::api::work::Return;
use types::messages::command::ReturnedCommand;
use types::{ActionId, AgentId, CommandId, CommandStatus, OperationResult, RunId, TaskId};
use uuid::Uuid;

/// How many runs of one task are kept, and how many bytes of them.
const RUNS_KEPT: i64 = 1_000;
const BYTES_KEPT: i64 = 64 << 20;

const UNKNOWN: Error = Error::NotFound("task of this agent");

/// Is what came back from one run of a task.
#[derive(Debug, Clone)]
pub(super) struct Ran {
    agent: AgentId,
    task: TaskId,
    outcome: Arc<Outcome>,
}

/// Is how a command ended.
pub(super) struct Ended {
    pub(super) mail: TaskMail,
    pub(super) status: CommandStatus,
    pub(super) results: Vec<OperationResult>,
}

impl App {
    /// Refuses a task that is not the agent's; asked before its result is read.
    pub(crate) async fn check_task(&self, agent: AgentId, task: TaskId) -> Result<(), Error> {
        let asked = BTreeSet::from([(task, agent)]);
        let found = runs::tasks_find(&mut *self.store.get().await?, &asked).await?;
        if found.is_empty() { Err(UNKNOWN) } else { Ok(()) }
    }

    /// Keeps a run, a small one together with others that come at the same time. An agent does not name its runs and
    /// never tells one twice: a task that runs once takes as many as it was handed out, more of them change nothing.
    /// The last operation of a signed action that is answered closes its command.
    pub(crate) async fn record_run(
        self: &Arc<Self>,
        agent: AgentId,
        task: TaskId,
        outcome: &Arc<Outcome>,
    ) -> Result<(), Error> {
        let small = outcome.bytes <= u64::try_from(TOGETHER_BYTES).unwrap_or(0);
        let ran = Ran { agent, task, outcome: Arc::clone(outcome) };
        let known = if small {
            let record = |ran: Vec<Ran>| {
                let app = Arc::clone(self);
                all_or_each(ran, move |some| {
                    let app = Arc::clone(&app);
                    async move { app.record_runs(&some).await }
                })
            };
            self.runs.ask(&self.tasks, ran, record).await??
        } else {
            self.record_runs(&[ran]).await?.contains(&true)
        };
        if known { Ok(()) } else { Err(UNKNOWN) }
    }

    /// Keeps runs in one transaction; tells of each whether it is of a task of its agent.
    async fn record_runs(&self, ran: &[Ran]) -> Result<Vec<bool>, Error> {
        let now = self.clock.now();
        let asked: BTreeSet<_> = ran.iter().map(|ran| (ran.task, ran.agent)).collect();
        let known = self
            .store
            .tx(async |conn| {
                let found = runs::tasks_find(conn, &asked).await?;
                let agents: BTreeSet<AgentId> = found.keys().map(|(_, agent)| *agent).collect();
                let agents: Vec<AgentId> = agents.into_iter().collect();
                runbook::agents_report(conn, &agents, now).await?;
                let commands: BTreeSet<CommandId> = found.values().flatten().copied().collect();
                let commands: Vec<CommandId> = commands.into_iter().collect();
                // agents before commands before tasks, always: two operations of one may be answered at the same time
                let mail = offers::mailbox_hold(conn, &commands).await?;
                let tasks: BTreeSet<TaskId> = found.keys().map(|(task, _)| *task).collect();
                let tasks: Vec<TaskId> = tasks.into_iter().collect();
                let mut held = runs::tasks_hold(conn, &tasks).await?;
                let known = |ran: &Ran| found.contains_key(&(ran.task, ran.agent));
                let mut expected =
                    |ran: &&Ran| known(ran) && held.get_mut(&ran.task).is_some_and(Held::take);
                let new: Vec<(TaskId, &Outcome)> = ran
                    .iter()
                    .filter(&mut expected)
                    .map(|ran| (ran.task, ran.outcome.as_ref()))
                    .collect();
                if !new.is_empty() {
                    runs::runs_insert(conn, &new, now).await?;
                    runs::runs_trim(conn, &tasks, RUNS_KEPT, BYTES_KEPT).await?;
                    self.close_answered(conn, mail, now).await?;
                }
                Ok::<_, Error>(ran.iter().map(known).collect())
            })
            .await?;
        self.bus.wake();
        Ok(known)
    }

    /// Closes those of these commands that are answered whole.
    async fn close_answered(
        &self,
        conn: &mut Conn,
        mail: Vec<TaskMail>,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let open: Vec<TaskMail> = mail.into_iter().filter(|mail| !mail.returned).collect();
        if open.is_empty() {
            return Ok(());
        }
        let commands: Vec<CommandId> = open.iter().map(|mail| mail.command).collect();
        let mut answers = runs::answers_of(conn, &commands).await?;
        let limit = self.config.max_result;
        let ended = open.into_iter().filter_map(|mail| {
            let answers = answers.remove(&mail.command)?;
            let results: Option<Vec<OperationResult>> =
                answers.into_iter().map(|answer| Some(answer?.into_result(limit))).collect();
            let results = results.filter(|results| results.len() == mail.operations)?;
            Some(Ended { mail, status: CommandStatus::Success, results })
        });
        let ended: Vec<Ended> = ended.collect();
        let closed: Vec<CommandId> = ended.iter().map(|ended| ended.mail.command).collect();
        mailbox::mailbox_close(conn, &closed).await?;
        self.put_results(conn, ended, now).await
    }

    /// Tells the house how commands of tasks ended.
    pub(super) async fn put_results(
        &self,
        conn: &mut Conn,
        ended: Vec<Ended>,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let actions: BTreeSet<ActionId> = ended.iter().map(|ended| ended.mail.action).collect();
        let actions: Vec<ActionId> = actions.into_iter().collect();
        let traces = mailbox::documents_trace(conn, &actions).await?;
        let mut returned = BTreeMap::<Option<&str>, (Option<&TraceContext>, Vec<_>)>::new();
        for Ended { mail, status, results } in ended {
            let answer = Return { run: RunId(Uuid::nil()), status, results };
            let (results, size) = Prepared::new(answer, self.config.max_result).into_results();
            let TaskMail { command: id, action, agent, .. } = mail;
            // these agents tell of no failure: that one failed is the gateway's own word
            let given_up = status == CommandStatus::Failed;
            let answer = ReturnedCommand { id, action, agent, status, results, at: now, given_up };
            let trace = traces.get(&action);
            let of = returned.entry(trace.and_then(TraceContext::to_keep)).or_default();
            of.0 = trace;
            of.1.push((size, answer));
        }
        for (trace, answers) in returned.into_values() {
            let span = tracing::info_span!("answer");
            messaging::follow(&span, trace);
            self.bus.put_all(conn, now, &in_messages(answers)).instrument(span).await?;
        }
        Ok(())
    }
}
