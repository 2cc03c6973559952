//! RunbookSolutions agents tell what came back from tasks.

use super::App;
use super::record_returns::{Prepared, TOGETHER_BYTES};
use super::together::all_or_each;
use crate::domain::answer::in_messages;
use crate::domain::task::Outcome;
use crate::error::Error;
use crate::store::offers::{self, TaskMail};
use crate::store::runs::{self, Held, NewRun};
use crate::store::{mailbox, runbook};
use messaging::TraceContext;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
/// So much more of a task may be there until it is trimmed: that goes through all of its runs.
const RUNS_OVER: u64 = 100;
const BYTES_OVER: u64 = 6 << 20;

/// How many tasks are trimmed together.
const TRIMMED_AT_ONCE: usize = 20;

const UNKNOWN: Error = Error::NotFound("task of this agent");

/// Is what came back from one run of a task.
#[derive(Debug, Clone)]
pub(super) struct Ran {
    agent: AgentId,
    task: TaskId,
    told: Uuid,
    outcome: Arc<Outcome>,
}

/// Counts what was stored of tasks since they were trimmed here.
#[derive(Debug, Default)]
pub(super) struct Grown(Mutex<BTreeMap<TaskId, (u64, u64)>>);

impl Grown {
    /// Notes a run of so many bytes.
    fn add(&self, task: TaskId, bytes: u64) {
        let mut grown = self.lock();
        let (runs, together) = grown.entry(task).or_default();
        *runs += 1;
        *together += bytes;
    }

    /// Gives those of these tasks that may have become too large.
    fn large(&self, tasks: &[TaskId]) -> Vec<TaskId> {
        let grown = self.lock();
        let is_large = |task: &&TaskId| {
            let more = grown.get(task);
            more.is_some_and(|(runs, bytes)| *runs >= RUNS_OVER || *bytes >= BYTES_OVER)
        };
        tasks.iter().filter(is_large).copied().collect()
    }

    /// Forgets tasks that were trimmed.
    fn forget(&self, tasks: &[TaskId]) {
        let mut grown = self.lock();
        for task in tasks {
            grown.remove(task);
        }
    }

    /// Gives all tasks, of which nothing is known any more.
    fn take(&self) -> Vec<TaskId> {
        std::mem::take(&mut *self.lock()).into_keys().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, (u64, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    /// The last operation of a signed action that is answered closes its command. `told` names the request, however
    /// often it is tried.
    pub(crate) async fn record_run(
        self: &Arc<Self>,
        agent: AgentId,
        task: TaskId,
        told: Uuid,
        outcome: &Arc<Outcome>,
    ) -> Result<(), Error> {
        let small = outcome.bytes <= u64::try_from(TOGETHER_BYTES).unwrap_or(0);
        let ran = Ran { agent, task, told, outcome: Arc::clone(outcome) };
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
        let (known, stored, trimmed) = self
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
                let new: Vec<NewRun<'_>> = ran
                    .iter()
                    .filter(&mut expected)
                    .map(|ran| NewRun { task: ran.task, told: ran.told, outcome: &ran.outcome })
                    .collect();
                let mut large = Vec::new();
                if !new.is_empty() {
                    large = self.grown.large(&tasks);
                    runs::runs_insert(conn, &new, now).await?;
                    let of = |(task, held): (&TaskId, &Held)| held.echoes.then_some(*task);
                    let echoes: Vec<TaskId> = held.iter().filter_map(of).collect();
                    if !echoes.is_empty() {
                        runs::runs_hush(conn, &echoes).await?;
                    }
                    if !large.is_empty() {
                        runs::runs_trim(conn, &large, RUNS_KEPT, BYTES_KEPT).await?;
                    }
                    self.close_answered(conn, mail, now).await?;
                }
                let stored: Vec<_> = new.iter().map(|new| (new.task, new.outcome.bytes)).collect();
                Ok::<_, Error>((ran.iter().map(known).collect(), stored, large))
            })
            .await?;
        self.grown.forget(&trimmed);
        for (task, bytes) in stored {
            self.grown.add(task, bytes);
        }
        self.bus.wake();
        Ok(known)
    }

    /// Trims the tasks of which anything came here.
    pub(super) async fn trim_runs(&self, conn: &mut Conn) -> Result<(), Error> {
        for some in self.grown.take().chunks(TRIMMED_AT_ONCE) {
            runs::runs_trim(conn, some, RUNS_KEPT, BYTES_KEPT).await?;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_trimmed_when_a_tenth_was_added() {
        let grown = Grown::default();
        let [many, large, small] = [1, 2, 3].map(|n| TaskId(Uuid::from_u128(n)));
        for _ in 1..RUNS_OVER {
            grown.add(many, 1);
        }
        grown.add(large, BYTES_OVER - 1);
        grown.add(small, 1);
        assert_eq!(grown.large(&[many, large, small]), []);
        grown.add(many, 1);
        grown.add(large, 1);
        assert_eq!(grown.large(&[many, large, small]), [many, large]);
        grown.forget(&[many]);
        assert_eq!(grown.take(), [large, small]);
        assert_eq!(grown.large(&[large]), []);
    }
}
