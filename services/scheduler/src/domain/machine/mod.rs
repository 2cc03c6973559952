//! What happens next in an execution: a pure machine that is told events and says what is to be done.
//!
//! Steps that need nothing from outside are gone through at once; the others stay in [`Execution::steps`] until their
//! answer comes. Failure goes outwards: to the step's `on_failure`, else to that of the step whose branch it is in, at
//! last to `workflow_exception`, once.

mod enter;
mod events;
#[cfg(test)]
mod tests;

use super::execution::{Execution, ExecutionState, StepState, Values};
use super::playbook::{Action, Playbook, Step, StepKind};
use std::collections::VecDeque;
use time::OffsetDateTime;
use uuid::Uuid;

/// Says what is to be done by the caller, in the transaction that keeps the new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// People are to be asked to do this run of a step.
    Ask(Uuid),
    /// People need not do it any more.
    Withdraw(Uuid),
    /// An action is to be prepared, unless it was, and put before those who may sign it.
    Prepare(Uuid),
    /// A signed action is to be proposed.
    Propose(Uuid),
    /// The run of an action is to be cancelled.
    CancelAction(i64),
    /// Another playbook is to be run.
    Begin(Uuid),
    /// The execution that this run of a step began is to be cancelled.
    CancelChild(Uuid),
}

/// Says how many characters of a reason are kept.
const TOLD: usize = 2_000;

/// Says why a step did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) timeout: bool,
    pub(crate) detail: String,
}

impl Failure {
    /// Says what went wrong; the beginning is enough: it is logged, shown, and told in messages.
    pub(crate) fn new(detail: impl Into<String>) -> Self {
        let detail = detail.into().chars().take(TOLD).collect();
        Self { timeout: false, detail }
    }

    /// Says that it took too long; CACAO wants the word and the step.
    pub(crate) fn timeout(step: &str, detail: &str) -> Self {
        Self { timeout: true, ..Self::new(format!("ACTION_TIMEOUT {step}: {detail}")) }
    }
}

/// Says how much one execution may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How often one while-condition may go round.
    pub(crate) iterations: i32,
    /// How many runs of steps there may be.
    pub(crate) steps: i64,
}

/// Moves one execution.
pub(crate) struct Machine<'a> {
    pub(crate) playbook: &'a Playbook,
    pub(crate) execution: &'a mut Execution,
    pub(crate) now: OffsetDateTime,
    pub(crate) limits: Limits,
    pub(crate) effects: Vec<Effect>,
    ids: fn() -> Uuid,
    todo: VecDeque<Todo>,
}

#[derive(Debug)]
enum Todo {
    Enter { step: String, parent: Option<Uuid> },
    BranchEnd { parent: Option<Uuid>, failure: Option<String> },
}

impl Todo {
    fn parent(&self) -> Option<Uuid> {
        match self {
            Self::Enter { parent, .. } | Self::BranchEnd { parent, .. } => *parent,
        }
    }
}

impl<'a> Machine<'a> {
    pub(crate) fn new(
        playbook: &'a Playbook,
        execution: &'a mut Execution,
        now: OffsetDateTime,
        limits: Limits,
    ) -> Self {
        let (effects, todo) = (Vec::new(), VecDeque::new());
        Self { playbook, execution, now, limits, effects, ids: Uuid::now_v7, todo }
    }

    /// Gives the step that a run is of; the playbook cannot change under its execution.
    pub(crate) fn step_of(&self, id: Uuid) -> Option<&'a Step> {
        let run = self.execution.steps.iter().find(|step| step.id == id)?;
        self.playbook.steps.get(&run.step_id)
    }

    /// Does what there is to do until everything waits.
    fn settle(&mut self) {
        while let Some(todo) = self.todo.pop_front() {
            if self.execution.state.is_over() {
                break;
            }
            match todo {
                Todo::Enter { step, parent } => self.enter(&step, parent),
                Todo::BranchEnd { parent: Some(parent), failure } => {
                    self.branch_ended(parent, failure);
                }
                Todo::BranchEnd { parent: None, failure } => self.workflow_ended(failure),
            }
        }
        self.todo.clear();
        if !self.execution.state.is_over() {
            let waits = |state| {
                matches!(state, StepState::Waiting | StepState::Branching)
                    || StepState::is_over(state)
            };
            self.execution.state = if self.execution.steps.iter().all(|step| waits(step.state)) {
                ExecutionState::Waiting
            } else {
                ExecutionState::Running
            };
        }
    }

    /// Ends a run of a step and goes on from there.
    fn end(&mut self, id: Uuid, outcome: Result<(), Failure>) {
        let now = self.now;
        let Some(step) = self.step_of(id) else { return };
        let Some(run) = self.execution.open_mut(id) else { return };
        let parent = run.parent;
        run.ended = Some(now);
        run.lease = None;
        let todo = match outcome {
            Ok(()) => {
                run.state = StepState::Succeeded;
                match &step.next {
                    Some(next) => Todo::Enter { step: next.clone(), parent },
                    None => Todo::BranchEnd { parent, failure: None },
                }
            }
            Err(Failure { timeout, detail }) => {
                run.state = if timeout { StepState::Timeout } else { StepState::Failed };
                let failure =
                    format!("playbook execution failed at step [ {} ]: {detail}", run.step_id);
                run.detail = Some(detail);
                match &step.on_failure {
                    Some(next) => Todo::Enter { step: next.clone(), parent },
                    None => Todo::BranchEnd { parent, failure: Some(failure) },
                }
            }
        };
        self.todo.push_back(todo);
    }

    /// Takes note that a branch came to its end; the step goes on when all have.
    fn branch_ended(&mut self, id: Uuid, failure: Option<String>) {
        let others = self.todo.iter().any(|todo| todo.parent() == Some(id))
            || self
                .execution
                .steps
                .iter()
                .any(|step| step.parent == Some(id) && !step.state.is_over());
        let Some(run) = self.execution.open_mut(id) else { return };
        if run.detail.is_none() {
            run.detail = failure;
        }
        if others {
            return;
        }
        match run.detail.clone() {
            Some(detail) => self.end(id, Err(Failure::new(detail))),
            None if matches!(self.step_of(id), Some(Step { kind: StepKind::While { .. }, .. })) => {
                self.begin(id);
            }
            None => self.end(id, Ok(())),
        }
    }

    fn workflow_ended(&mut self, failure: Option<String>) {
        let failed = failure.is_some();
        if self.execution.reason.is_none() {
            self.execution.reason = failure;
        }
        if failed
            && !self.execution.exception
            && let Some(exception) = &self.playbook.exception
        {
            self.execution.exception = true;
            self.todo.push_back(Todo::Enter { step: exception.clone(), parent: None });
            return;
        }
        self.execution.handled = self.execution.exception && !failed;
        let state = if failed || self.execution.exception {
            ExecutionState::Failed
        } else {
            ExecutionState::Succeeded
        };
        self.close(state);
    }

    fn close(&mut self, state: ExecutionState) {
        self.execution.state = state;
        self.execution.ended = Some(self.now);
    }

    /// Ends everything at once, as failed or cancelled; no branch runs.
    fn abort(&mut self, state: ExecutionState, reason: String) {
        let open: Vec<_> = self
            .execution
            .steps
            .iter()
            .filter(|step| !step.state.is_over())
            .map(|step| step.id)
            .collect();
        for id in open {
            self.cancel_step(id);
        }
        self.todo.clear();
        self.execution.reason.get_or_insert(reason);
        self.close(state);
    }

    /// Ends a run of a step that nobody needs any more, and says what it had others do.
    fn cancel_step(&mut self, id: Uuid) {
        let now = self.now;
        let kind = self.step_of(id).map(|step| &step.kind);
        let Some(run) = self.execution.open_mut(id) else { return };
        let waits = run.state == StepState::Waiting;
        run.state = StepState::Cancelled;
        run.ended = Some(now);
        run.lease = None;
        let effect = match (kind, run.action_id) {
            (Some(StepKind::Action(_)), Some(action)) => Effect::CancelAction(action),
            (Some(StepKind::Playbook(_)), _) => Effect::CancelChild(id),
            _ => Effect::Withdraw(id),
        };
        if waits {
            self.effects.push(effect);
        }
    }

    /// Gives values to variables; those that the step does not want stay in its own results.
    fn keep(&mut self, id: Uuid, values: &Values, wanted: &[String]) -> Result<(), Failure> {
        for (name, value) in values {
            if let Some(run) = self.execution.open_mut(id) {
                run.results.insert(name.clone(), value.clone());
            }
            if wanted.contains(name) {
                self.execution.assign(id, name, value).map_err(Failure::new)?;
            }
        }
        Ok(())
    }
}

/// Gives the action of an action step.
pub(crate) fn action_of(step: Option<&Step>) -> Option<&Action> {
    match step.map(|step| &step.kind) {
        Some(StepKind::Action(action)) => Some(action),
        _ => None,
    }
}

impl Action {
    /// Says how many commands times targets there are; a step without targets has its commands done once.
    pub(crate) fn calls(&self) -> usize {
        self.commands.len() * self.targets.len().max(1)
    }

    /// Gives the command and target of one call: all targets of the first command, then of the next.
    pub(crate) fn call(
        &self,
        position: usize,
    ) -> Option<(&super::playbook::Command, Option<&str>)> {
        let targets = self.targets.len().max(1);
        let command = self.commands.get(position / targets)?;
        Some((command, self.targets.get(position % targets).map(String::as_str)))
    }
}
