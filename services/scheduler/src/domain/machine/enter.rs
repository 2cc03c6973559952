//! A step is reached: what it does first.

use super::{Effect, Failure, Machine, Todo};
use crate::domain::execution::{ExecutionState, StepRun, StepState};
use crate::domain::playbook::{Manner, Step, StepKind};
use crate::domain::text::{self, COMPARED};
use crate::domain::variable::Variables;
use std::collections::BTreeMap;
use uuid::Uuid;

impl Machine<'_> {
    /// Makes a run of a step; one with a delay waits first.
    pub(super) fn enter(&mut self, id: &str, parent: Option<Uuid>) {
        let Some(step) = self.playbook.steps.get(id) else { return };
        if matches!(step.kind, StepKind::End) {
            self.todo.push_back(Todo::BranchEnd { parent, failure: None });
            return;
        }
        let made: i64 = self.execution.runs.values().copied().map(i64::from).sum();
        if made >= self.limits.steps {
            let reason = format!("the execution made {made} runs of steps, which is the limit");
            self.abort(ExecutionState::Failed, reason);
            return;
        }
        let run = self.execution.runs.entry(id.to_owned()).or_default();
        *run += 1;
        let delayed = step.delay.is_positive();
        let new = StepRun {
            id: (self.ids)(),
            execution_id: self.execution.id,
            step_id: id.to_owned(),
            run: *run,
            parent,
            kind: step.kind.name().to_owned(),
            name: step.name.clone(),
            state: if delayed { StepState::Delayed } else { StepState::Ready },
            due: delayed.then(|| self.now.saturating_add(step.delay)),
            deadline: None,
            lease: None,
            missed: None,
            position: 0,
            variables: step.variables.clone(),
            results: BTreeMap::new(),
            detail: None,
            action_id: None,
            document: None,
            started: self.now,
            ended: None,
        };
        let id = new.id;
        self.execution.steps.push(new);
        if !delayed {
            self.begin(id);
        }
    }

    /// Begins a run of a step, or the next round of a loop.
    pub(super) fn begin(&mut self, id: Uuid) {
        let Some(step) = self.step_of(id) else { return };
        let deadline = step.timeout.map(|timeout| self.now.saturating_add(timeout));
        let Some(run) = self.execution.open_mut(id) else { return };
        run.due = None;
        run.deadline = run.deadline.or(deadline);
        match &step.kind {
            StepKind::Start | StepKind::End => self.end(id, Ok(())),
            StepKind::Action(action) => match action.manner {
                Manner::Manual => self.wait(id, Effect::Ask(id)),
                Manner::Fleet => self.wait(id, Effect::Prepare(id)),
                Manner::Calls => run.state = StepState::Ready,
            },
            StepKind::Playbook(_) => self.wait(id, Effect::Begin(id)),
            StepKind::Parallel(branches) => self.branch(id, branches),
            _ => self.choose(id, step),
        }
    }

    fn wait(&mut self, id: Uuid, effect: Effect) {
        let by_people = matches!(effect, Effect::Ask(_));
        if let Some(run) = self.execution.open_mut(id) {
            run.state = StepState::Waiting;
            if by_people {
                // manual-interaction decides between answer and deadline
                run.deadline = None;
            }
            self.effects.push(effect);
        }
    }

    fn branch<'b>(&mut self, id: Uuid, branches: impl IntoIterator<Item = &'b String>) {
        if let Some(run) = self.execution.open_mut(id) {
            run.state = StepState::Branching;
        }
        for step in branches {
            self.todo.push_back(Todo::Enter { step: step.clone(), parent: Some(id) });
        }
    }

    /// Takes the branch that the variables choose, if any.
    fn choose(&mut self, id: Uuid, step: &Step) {
        let scope = self.execution.scope(id);
        let chosen = match &step.kind {
            StepKind::If { condition, on_true, on_false } => condition
                .holds(&scope)
                .map(|holds| if holds { Some(on_true) } else { on_false.as_ref() }),
            StepKind::While { condition, on_true } => {
                condition.holds(&scope).map(|holds| holds.then_some(on_true))
            }
            StepKind::Switch { value, cases } => case(value, cases, &scope),
            _ => Ok(None),
        };
        match chosen {
            Err(detail) => self
                .end(id, Err(Failure::new(format!("the condition cannot be decided: {detail}")))),
            Ok(None) => self.end(id, Ok(())),
            Ok(Some(to)) => {
                let limit = self.limits.iterations;
                let Some(run) = self.execution.open_mut(id) else { return };
                if run.position >= limit {
                    let detail = format!("it went round {limit} times, which is the limit");
                    self.end(id, Err(Failure::new(detail)));
                    return;
                }
                run.position += 1;
                self.branch(id, [to]);
            }
        }
    }
}

/// Finds the case that a switch takes, if any.
fn case<'b>(
    value: &str,
    cases: &'b BTreeMap<String, String>,
    scope: &Variables,
) -> Result<Option<&'b String>, String> {
    let value = text::plain(value, scope, COMPARED)?;
    for (case, to) in cases {
        if text::plain(case, scope, COMPARED)? == value {
            return Ok(Some(to));
        }
    }
    Ok(cases.get("default"))
}
