//! `/v1/tasks`: what RunbookSolutions agents run, once or by the clock.

use crate::{AgentUid, CommandId, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Says where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Its agent was not given it.
    Waiting,
    /// Its agent was given it; a task by the clock stays so.
    Offered,
    /// It ran; only for tasks that run once.
    Done,
    /// Its agent was given it and did not answer in time; agents never tell of failures. A late answer is still taken.
    Overdue,
    /// A person took it back. Agents before 0.1.2 go on with tasks by the clock until they are restarted.
    Withdrawn,
}

impl TaskState {
    /// Lists every state.
    pub const ALL: [Self; 5] =
        [Self::Waiting, Self::Offered, Self::Done, Self::Overdue, Self::Withdrawn];

    /// Gives the word on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Offered => "offered",
            Self::Done => "done",
            Self::Overdue => "overdue",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads the word back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Makes a task; it never changes, a change is another task.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// The agent that runs it.
    pub agent_id: AgentUid,
    /// The command key `<plugin id>.<name>` of a plugin that the agent has.
    pub command: String,
    /// When it runs, in the agent's local time; absent or null for once.
    #[serde(default)]
    pub cron: Option<String>,
    /// The arguments by name, which the agent gets with every digit of their numbers; not `self`, `task` or
    /// `commandName`, which agents use themselves.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    pub arguments: BTreeMap<String, Box<RawValue>>,
}

/// Is a task.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TaskView {
    /// The id, as the agent knows it.
    pub id: TaskId,
    /// The agent.
    pub agent_id: AgentUid,
    /// The command key.
    pub command: String,
    /// When it runs; null for once.
    pub cron: Option<String>,
    /// The arguments by name.
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    pub arguments: BTreeMap<String, Box<RawValue>>,
    /// Where it is.
    pub state: TaskState,
    /// How often the agent was given it, for a task that runs once.
    pub attempts: i32,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// When its agent was given it for the first time.
    #[serde(with = "time::serde::rfc3339::option")]
    pub offered: Option<OffsetDateTime>,
    /// When its latest result came.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_run: Option<OffsetDateTime>,
    /// Whether results are missing: a task that runs once is overdue, or the clock of one that runs by it struck twice
    /// and nothing came. Null when nobody can tell: its agent was given it and never told any result of any task, as
    /// agents 0.1.0 never do.
    pub missing: Option<bool>,
    /// Until when an answer is expected, while a task that runs once is `offered`.
    #[serde(with = "time::serde::rfc3339::option")]
    pub due: Option<OffsetDateTime>,
    /// When it was done, overdue or withdrawn.
    #[serde(with = "time::serde::rfc3339::option")]
    pub ended: Option<OffsetDateTime>,
    /// The command of a signed action that it is part of.
    pub command_id: Option<CommandId>,
}

/// Is a task with its latest runs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TaskDetail {
    /// The task.
    #[serde(flatten)]
    pub task: TaskView,
    /// Its latest runs, oldest first; `/v1/tasks/{id}/runs` lists all.
    pub runs: Vec<TaskRunView>,
}

/// Is one run that an agent told of.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TaskRunView {
    /// When the answer came.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What the command gave back: any JSON with every digit of its numbers, hostile until shown escaped; null when it
    /// was cut.
    #[schema(value_type = Object)]
    pub data: Box<RawValue>,
    /// How many bytes of JSON it had.
    pub bytes: i64,
    /// Whether it was too large to be kept.
    pub cut: bool,
}
