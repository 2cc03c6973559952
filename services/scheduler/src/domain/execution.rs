//! Where one run of a playbook is: its variables and the runs of its steps.

use super::variable::{Variable, Variables};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use types::cacao::VariableType;
use uuid::Uuid;

/// Says where an execution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExecutionState {
    Running,
    /// Nothing goes on until somebody or something else answers.
    Waiting,
    Succeeded,
    Failed,
    Cancelled,
}

impl ExecutionState {
    /// Tells whether nothing more happens.
    pub(crate) fn is_over(self) -> bool {
        !matches!(self, Self::Running | Self::Waiting)
    }

    /// Gives the word in the database and on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Says where a run of a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StepState {
    /// Its delay goes by.
    Delayed,
    /// Its next command may be done.
    Ready,
    /// A process does its next command; the lease says until when it is believed to.
    Calling,
    /// People, another execution or the fleet are at it.
    Waiting,
    /// Its branches run.
    Branching,
    Succeeded,
    Failed,
    /// It took too long.
    Timeout,
    Cancelled,
}

impl StepState {
    /// Tells whether nothing more happens to it.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Timeout | Self::Cancelled)
    }

    /// Gives the word under `/v1/executions`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Delayed => "delayed",
            Self::Ready | Self::Calling | Self::Branching => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Are values by the names of their variables.
pub(crate) type Values = BTreeMap<String, String>;

/// Is one run of a step; the same step runs again in a loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StepRun {
    pub(crate) id: Uuid,
    pub(crate) execution_id: Uuid,
    pub(crate) step_id: String,
    /// Counts the runs of this step from 1 on.
    pub(crate) run: i32,
    /// The run of the step whose branch this one is in.
    pub(crate) parent: Option<Uuid>,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) state: StepState,
    /// When its delay is over, or when it is looked at again whether its process lives.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) due: Option<OffsetDateTime>,
    /// When it fails because it took too long.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) deadline: Option<OffsetDateTime>,
    /// Until when the process that does its command is believed to live.
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) lease: Option<OffsetDateTime>,
    /// How often its lease was seen to be over.
    #[serde(default)]
    pub(crate) missed: Option<i32>,
    /// How many of its commands, or rounds, are done.
    pub(crate) position: i32,
    /// Its own variables.
    pub(crate) variables: Variables,
    /// What it gave back.
    pub(crate) results: Values,
    /// Why it failed, or why it will.
    pub(crate) detail: Option<String>,
    /// The signed action of a fleet step, once it has a number.
    pub(crate) action_id: Option<i64>,
    /// The action of a fleet step as it is put before the signers.
    pub(crate) document: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) started: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(crate) ended: Option<OffsetDateTime>,
}

/// Is one run of a playbook, with those of its steps that are not over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Execution {
    pub(crate) id: Uuid,
    pub(crate) state: ExecutionState,
    pub(crate) variables: Variables,
    /// Counts the runs of each step.
    pub(crate) runs: BTreeMap<String, i32>,
    /// Whether `workflow_exception` was entered.
    pub(crate) exception: bool,
    /// Whether a failure was taken by `workflow_exception`, which then came to its end.
    pub(crate) handled: bool,
    /// Why it failed or was cancelled.
    pub(crate) reason: Option<String>,
    pub(crate) ended: Option<OffsetDateTime>,
    /// Those that are not over, and those that this change ended.
    pub(crate) steps: Vec<StepRun>,
}

impl Execution {
    /// Begins one whose variables have these values.
    pub(crate) fn new(id: Uuid, variables: Variables) -> Self {
        Self {
            id,
            state: ExecutionState::Running,
            variables,
            runs: BTreeMap::new(),
            exception: false,
            handled: false,
            reason: None,
            ended: None,
            steps: Vec::new(),
        }
    }

    /// Finds a run of a step that is not over.
    pub(crate) fn open(&self, id: Uuid) -> Option<&StepRun> {
        self.steps.iter().find(|step| step.id == id && !step.state.is_over())
    }

    pub(crate) fn open_mut(&mut self, id: Uuid) -> Option<&mut StepRun> {
        self.steps.iter_mut().find(|step| step.id == id && !step.state.is_over())
    }

    /// Gives what a run of a step sees: the playbook's variables, over them those of the steps around it, and its own.
    pub(crate) fn scope(&self, id: Uuid) -> Variables {
        let mut around = Vec::new();
        let mut next = Some(id);
        while let Some(step) = next.and_then(|id| self.steps.iter().find(|step| step.id == id)) {
            around.push(&step.variables);
            next = step.parent;
        }
        let mut scope = self.variables.clone();
        for variables in around.into_iter().rev() {
            scope.extend(variables.clone());
        }
        scope
    }

    /// Gives a value to a variable where it is declared: at the step itself, at one around it, or in the playbook.
    pub(crate) fn assign(&mut self, id: Uuid, name: &str, value: &str) -> Result<(), String> {
        let mut next = Some(id);
        let mut holder = None;
        while let Some(step) = next.and_then(|id| self.steps.iter().find(|step| step.id == id)) {
            if step.variables.contains_key(name) {
                holder = Some(step.id);
                break;
            }
            next = step.parent;
        }
        let variables = match holder {
            Some(holder) => match self.steps.iter_mut().find(|step| step.id == holder) {
                Some(step) => &mut step.variables,
                None => &mut self.variables,
            },
            None => &mut self.variables,
        };
        let variable = variables.entry(name.to_owned()).or_insert_with(|| undeclared(name));
        if variable.constant {
            return Err(format!("{name} is a constant, which nothing can change"));
        }
        variable.kind.check(value).map_err(|detail| format!("{name}: {detail}"))?;
        variable.value = Some(value.to_owned());
        Ok(())
    }

    /// Says when something is to be done without a word from outside.
    pub(crate) fn look(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let open = self.steps.iter().filter(|step| !step.state.is_over());
        open.filter_map(|step| match step.state {
            StepState::Delayed => step.due,
            StepState::Ready => Some(now),
            StepState::Calling => step.lease.max(step.due),
            _ => step.deadline,
        })
        .min()
    }
}

/// Is a variable that a step makes and no playbook declares; what a fleet step counts compares as a number.
fn undeclared(name: &str) -> Variable {
    let counts = name.starts_with("__writ_") && name != "__writ_found_agents__";
    let kind = if counts { VariableType::Integer } else { VariableType::String };
    Variable { kind, ..Variable::default() }
}
