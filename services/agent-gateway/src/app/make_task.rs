//! People give tasks to RunbookSolutions agents, look at them and take them back.

use super::App;
use crate::domain::agent::Agent;
use crate::domain::silence::missing;
use crate::domain::task::{CommandKey, check};
use crate::error::Error;
use crate::store::runs::{self, Run};
use crate::store::tasks::{self, NewTaskRow, Task};
use crate::store::{agents, plugins};
use std::collections::BTreeSet;
use store::Conn;
use types::api::problem::Fault;
use types::api::task::{NewTask, TaskDetail, TaskState, TaskView};
use types::{AgentUid, InvestigatorId, TaskId, Transport};
use uuid::Uuid;

/// How many open tasks an agent may have; those by the clock are told to it with each sync.
const MOST_OPEN: i64 = 1_000;
/// How many bytes of arguments they may have together, for the same reason.
const MOST_BYTES: i64 = 4 << 20;
/// How many runs are shown with their task.
const RUNS_SHOWN: i64 = 100;

impl App {
    /// Makes a task for an agent; it never changes, a change is another task with another id.
    pub(crate) async fn make_task(
        &self,
        new: NewTask,
        by: InvestigatorId,
    ) -> Result<TaskView, Error> {
        let arguments = check(&new).map_err(Error::Invalid)?;
        let now = self.clock.now();
        let view = self
            .store
            .tx(async |conn| {
                let (agent, key) = find_command(conn, &new).await?;
                let (open, bytes) = tasks::tasks_open(conn, agent.number).await?;
                if bytes >= MOST_BYTES {
                    return Err(Error::Conflict {
                        code: "too-many-tasks",
                        detail: "the agent's open tasks have 4 MiB of arguments; withdraw some first",
                    });
                }
                if open >= MOST_OPEN {
                    return Err(Error::Conflict {
                        code: "too-many-tasks",
                        detail: "the agent has 1000 open tasks; withdraw some first",
                    });
                }
                let row = NewTaskRow {
                    id: TaskId(Uuid::now_v7()),
                    agent: agent.number,
                    plugin: key.plugin,
                    command: key.name,
                    cron: new.cron,
                    arguments,
                    created_by: Some(by),
                    mail: None,
                };
                tasks::tasks_insert(conn, std::slice::from_ref(&row), now).await?;
                let made = tasks::task_read(conn, row.id).await?.ok_or(Error::NotFound("task"))?;
                Ok(self.judge(made))
            })
            .await?;
        tracing::info!(task.id = %view.id, agent.id = %view.agent_id, investigator.id = %by, "task made");
        Ok(view)
    }

    /// Takes a task back; one that is done stays so. An agent may still run what it was told of.
    pub(crate) async fn withdraw_task(&self, id: TaskId, by: InvestigatorId) -> Result<(), Error> {
        let now = self.clock.now();
        let withdrawn =
            self.store.tx(async |conn| Ok::<_, Error>(tasks::task_withdraw(conn, id, now).await?));
        match withdrawn.await? {
            None => Err(Error::NotFound("task")),
            Some(true) => Err(Error::Conflict {
                code: "task-of-action",
                detail: "the task is part of a signed action; cancel the action instead",
            }),
            Some(false) => {
                tracing::info!(task.id = %id, investigator.id = %by, "task withdrawn");
                Ok(())
            }
        }
    }

    /// Gives one task with its latest runs.
    pub(crate) async fn read_task(&self, id: TaskId) -> Result<TaskDetail, Error> {
        let mut conn = self.store.get().await?;
        let task = tasks::task_read(&mut conn, id).await?.ok_or(Error::NotFound("task"))?;
        let task = self.judge(task);
        let runs = runs::runs_latest(&mut conn, id, RUNS_SHOWN).await?;
        Ok(TaskDetail { task, runs: runs.into_iter().map(|run| run.view).collect() })
    }

    /// Gives the tasks behind `after`; of one agent or of all, in one state or in any.
    pub(crate) async fn list_tasks(
        &self,
        agent: Option<AgentUid>,
        state: Option<TaskState>,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<TaskView>, Error> {
        let mut conn = self.store.get().await?;
        let agent = match agent {
            None => None,
            Some(id) => {
                let found = agents::agent_by_id(&mut conn, id).await?;
                Some(found.ok_or(Error::NotFound("agent"))?.number)
            }
        };
        let tasks = tasks::tasks_page(&mut conn, (agent, state), after, limit).await?;
        Ok(tasks.into_iter().map(|task| self.judge(task)).collect())
    }

    /// Says of a task whether results of it are missing.
    fn judge(&self, Task { mut view, reports }: Task) -> TaskView {
        view.missing = missing(&view, reports, self.config.task_lease, self.clock.now());
        view
    }

    /// Gives the runs of a task behind `after`, as many as one answer shows, and whether there are more.
    pub(crate) async fn list_runs(
        &self,
        id: TaskId,
        after: i64,
        limit: i64,
    ) -> Result<(Vec<Run>, bool), Error> {
        let mut conn = self.store.get().await?;
        tasks::task_read(&mut conn, id).await?.ok_or(Error::NotFound("task"))?;
        let runs = runs::runs_page(&mut conn, id, after, limit).await?;
        let more = match runs.last() {
            Some(last) => runs::runs_behind(&mut conn, id, last.number).await?,
            None => false,
        };
        Ok((runs, more))
    }
}

/// Finds the agent and the command that a task names, and keeps the agent's plugins as they are meanwhile.
async fn find_command(conn: &mut Conn, new: &NewTask) -> Result<(Agent, CommandKey), Error> {
    let wrong = |pointer: &str, detail: &str| {
        Error::Invalid(vec![Fault { pointer: pointer.into(), detail: detail.into() }])
    };
    match agents::agent_lock(conn, new.agent_id).await? {
        None => return Err(wrong("/agent_id", "is not the id of an agent")),
        Some((_, true)) => return Err(wrong("/agent_id", "is an agent that was revoked")),
        Some((_, false)) => {}
    }
    let found = agents::agent_by_id(conn, new.agent_id).await?;
    let agent = found.ok_or(Error::NotFound("agent"))?;
    // an agent that was never heard may become either kind
    let takes_tasks = match agent.transport {
        Transport::Runbook => true,
        Transport::Writ => agent.version.is_empty(),
        Transport::Mig => false,
    };
    if !takes_tasks {
        return Err(wrong(
            "/agent_id",
            "is not an agent of RunbookSolutions; it takes signed actions only",
        ));
    }
    let key = CommandKey::parse(&new.command).filter(|_| agent.commands.contains(&new.command));
    let key = key.ok_or_else(|| {
        wrong("/command", "is not a command of a plugin that is assigned to the agent")
    })?;
    let wanted = BTreeSet::from([key.clone()]);
    if let Some(takes) = plugins::parameters_of(conn, &wanted).await?.get(&key) {
        let mut faults = takes.check(new.arguments.keys());
        for fault in &mut faults {
            fault.pointer.insert_str(0, "/arguments");
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
    }
    Ok((agent, key))
}
