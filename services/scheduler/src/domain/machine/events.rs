//! What the machine is told.

use super::{Effect, Failure, Machine, Todo, action_of};
use crate::domain::execution::{ExecutionState, StepState, Values};
use crate::domain::playbook::{Action, StepKind};
use time::Duration;
use uuid::Uuid;

/// Says how often, once a second, a lease is seen to be over before its process is given up. A process says every four
/// seconds that it lives, and waits up to five for the database.
const MISSED: i32 = 10;
/// Says how often signatures of one action are asked for.
const ASKED: i32 = 10;

impl Machine<'_> {
    /// Begins.
    pub(crate) fn start(&mut self) {
        self.todo.push_back(Todo::Enter { step: self.playbook.start.clone(), parent: None });
        self.settle();
    }

    /// Looks at the time: delays that are over, steps that took too long, processes that are gone.
    pub(crate) fn tick(&mut self) {
        let now = self.now;
        if self.execution.runs.is_empty() && !self.execution.state.is_over() {
            // another playbook began it
            return self.start();
        }
        let open: Vec<_> = self
            .execution
            .steps
            .iter()
            .filter(|step| !step.state.is_over())
            .map(|step| step.id)
            .collect();
        for id in open {
            // an earlier one may have ended it
            let Some(run) = self.execution.open(id) else { continue };
            let late = run.deadline.is_some_and(|deadline| deadline <= now);
            match run.state {
                StepState::Delayed if run.due.is_none_or(|due| due <= now) => self.begin(id),
                StepState::Calling if run.lease.max(run.due).is_none_or(|until| until <= now) => {
                    self.missed(id);
                }
                StepState::Ready | StepState::Waiting | StepState::Branching if late => {
                    self.late(id);
                }
                _ => {}
            }
            self.settle();
        }
    }

    /// Ends a step that took too long, with all that is inside of it.
    fn late(&mut self, id: Uuid) {
        let mut inside = vec![id];
        let mut at = 0;
        while let Some(parent) = inside.get(at).copied() {
            at += 1;
            let children = self
                .execution
                .steps
                .iter()
                .filter(|step| step.parent == Some(parent) && !step.state.is_over());
            inside.extend(children.map(|step| step.id).collect::<Vec<_>>());
        }
        for child in inside.into_iter().skip(1) {
            self.cancel_step(child);
        }
        let Some(run) = self.execution.open(id) else { return };
        let step = run.step_id.clone();
        if run.state == StepState::Waiting {
            let action = run.action_id;
            self.effects.push(match (self.step_of(id).map(|step| &step.kind), action) {
                (Some(StepKind::Playbook(_)), _) => Effect::CancelChild(id),
                (_, Some(action)) => Effect::CancelAction(action),
                _ => Effect::Withdraw(id),
            });
        }
        self.end(id, Err(Failure::timeout(&step, "it took longer than its time-out")));
    }

    /// A process did not say in time that it lives. The database may have been away, and the process may be about to
    /// say so: it is given up only when that was seen again and again, with the database at hand each time.
    fn missed(&mut self, id: Uuid) {
        let now = self.now;
        let Some(run) = self.execution.open_mut(id) else { return };
        let missed = run.missed.unwrap_or_default() + 1;
        if missed > MISSED {
            self.interrupted(id);
            return;
        }
        run.missed = Some(missed);
        run.due = Some(now + Duration::seconds(1));
    }

    /// The process that did a command is gone, and nobody knows whether it was done.
    fn interrupted(&mut self, id: Uuid) {
        let repeatable = self.command(id).is_some_and(|(command, _)| command.repeatable);
        let Some(run) = self.execution.open_mut(id) else { return };
        (run.lease, run.due, run.missed) = (None, None, None);
        if repeatable {
            run.state = StepState::Ready;
            return;
        }
        let detail = "the service stopped while the command was under way: it may have been done or not, and it is not \
                      marked as repeatable (x-writ-repeatable)";
        self.end(id, Err(Failure::new(detail)));
    }

    fn action(&self, id: Uuid) -> Option<&Action> {
        action_of(self.step_of(id))
    }

    /// Gives the command that is next, and its target.
    pub(crate) fn command(
        &self,
        id: Uuid,
    ) -> Option<(&crate::domain::playbook::Command, Option<&str>)> {
        let position = usize::try_from(self.execution.open(id)?.position).ok()?;
        self.action(id)?.call(position)
    }

    /// A command was done, well or not.
    pub(crate) fn called(&mut self, id: Uuid, position: i32, outcome: Result<Values, Failure>) {
        let Some(run) = self.execution.open(id) else { return };
        if run.state != StepState::Calling || run.position != position {
            return;
        }
        let Some(action) = self.action(id) else { return };
        let (calls, out_args) = (action.calls(), action.out_args.clone());
        let kept = outcome.and_then(|values| {
            let (values, wanted) = wanted(values, out_args);
            self.keep(id, &values, &wanted)
        });
        if kept.is_err() {
            self.end(id, kept);
        } else if let Some(run) = self.execution.open_mut(id) {
            run.position += 1;
            (run.lease, run.due, run.missed) = (None, None, None);
            run.state = StepState::Ready;
            if usize::try_from(run.position).unwrap_or(0) >= calls {
                self.end(id, Ok(()));
            }
        }
        self.settle();
    }

    /// People answered: a step is done, or an action has its signatures.
    pub(crate) fn answered(&mut self, id: Uuid, outcome: Result<Values, Failure>) {
        if !self.waits(id) {
            return;
        }
        let out_args = self.action(id).map(|action| action.out_args.clone()).unwrap_or_default();
        let kept = outcome.and_then(|values| self.keep(id, &values, &out_args));
        self.end(id, kept);
        self.settle();
    }

    /// Investigators signed the action of a fleet step.
    pub(crate) fn signed(&mut self, id: Uuid, document: String) {
        if let Some(run) = self.execution.open_mut(id).filter(|run| run.state == StepState::Waiting)
        {
            run.document = Some(document);
            self.effects.push(Effect::Propose(id));
        }
        self.settle();
    }

    /// An answer to a fleet step has no signature that holds: this run is over, and another asks for the same action
    /// again. A typing error is not the end of a playbook.
    pub(crate) fn unsigned(&mut self, id: Uuid, detail: &str) {
        let now = self.now;
        let Some(run) = self.execution.open_mut(id).filter(|run| run.state == StepState::Waiting)
        else {
            return;
        };
        if run.position + 1 >= ASKED {
            let detail = format!("{detail}; it was asked for {ASKED} times");
            self.end(id, Err(Failure::new(detail)));
            self.settle();
            return;
        }
        let position = run.position + 1;
        let mut next = run.clone();
        run.state = StepState::Failed;
        run.ended = Some(now);
        run.detail = Some(Failure::new(detail).detail);
        let count = self.execution.runs.entry(next.step_id.clone()).or_default();
        *count += 1;
        next.run = *count;
        next.id = (self.ids)();
        next.position = position;
        next.started = now;
        self.effects.push(Effect::Prepare(next.id));
        self.execution.steps.push(next);
        self.settle();
    }

    /// What a step waited for ended: another execution, or an action; `values` are those that it may give back.
    pub(crate) fn ended(&mut self, id: Uuid, outcome: Result<Values, Failure>) {
        if !self.waits(id) {
            return;
        }
        let out_args = match self.step_of(id).map(|step| &step.kind) {
            Some(StepKind::Playbook(call)) => call.out_args.clone(),
            Some(StepKind::Action(action)) => action.out_args.clone(),
            _ => Vec::new(),
        };
        let all = out_args.is_empty() && self.action(id).is_some();
        let kept = outcome.and_then(|values| {
            let wanted = if all { values.keys().cloned().collect() } else { out_args };
            self.keep(id, &values, &wanted)
        });
        self.end(id, kept);
        self.settle();
    }

    /// Ends everything as failed; no branch runs.
    pub(crate) fn give_up(&mut self, reason: impl Into<String>) {
        self.abort(ExecutionState::Failed, reason.into());
    }

    /// Ends everything; no branch runs.
    pub(crate) fn cancel(&mut self, reason: impl Into<String>) {
        self.abort(ExecutionState::Cancelled, reason.into());
    }

    pub(crate) fn waits(&self, id: Uuid) -> bool {
        self.execution.open(id).is_some_and(|run| run.state == StepState::Waiting)
    }
}

/// Says which of the values of a command are wanted: all, unless the step names some. A name that the command does not
/// know takes its main value, which is how a playbook gets an answer into a variable of its own.
fn wanted(mut values: Values, out_args: Vec<String>) -> (Values, Vec<String>) {
    if out_args.is_empty() {
        let wanted = values.keys().cloned().collect();
        return (values, wanted);
    }
    let main =
        values.iter().find(|(name, _)| name.ends_with("_result__")).map(|(_, value)| value.clone());
    if let ([only], Some(main)) = (out_args.as_slice(), main)
        && !values.contains_key(only)
    {
        values.insert(only.clone(), main);
    }
    (values, out_args)
}
