//! Somebody answers a step: the first one, in time, decides.

use super::App;
use crate::domain::answer::Answer;
use crate::error::Error;
use crate::store::events::{Actor, event_insert};
use crate::store::steps::{Step, step_answer, step_current, step_find};
use types::api::step::{StepAnswer, StepState, StepView};
use types::messages::ManualAnswered;
use types::{ExecutionId, StepRunId};

impl App {
    /// Answers the run of a step that SOARCA's key means.
    pub(crate) async fn answer_current(
        &self,
        (execution, step_id): (ExecutionId, &str),
        playbook: Option<&str>,
        answer: &Answer,
        actor: &Actor,
    ) -> Result<StepView, Error> {
        let mut conn = self.store.get().await?;
        let found = step_current(&mut conn, execution, step_id).await?;
        drop(conn);
        let Some(step) = found else {
            let detail = "no step with this execution_id and step_id waits for an answer";
            return Err(Error::NotPending(detail.into()));
        };
        if let Some(playbook) = playbook.filter(|id| !id.is_empty() && *id != step.view.playbook_id)
        {
            let detail = format!("the step belongs to {}, not {playbook}", step.view.playbook_id);
            return Err(Error::Invalid(vec![crate::domain::answer::fault("/playbook_id", detail)]));
        }
        self.answer(step, answer, actor).await
    }

    /// Answers one run of a step.
    pub(crate) async fn answer_step(
        &self,
        id: StepRunId,
        answer: &Answer,
        actor: &Actor,
    ) -> Result<StepView, Error> {
        let step = self.find_step(id).await?;
        self.answer(step, answer, actor).await
    }

    async fn answer(&self, step: Step, answer: &Answer, actor: &Actor) -> Result<StepView, Error> {
        let now = self.clock.now();
        if step.view.state != StepState::Pending {
            return settled(step, answer, actor);
        }
        if step.view.deadline <= now {
            return Err(Error::NotPending("the step's deadline has passed".into()));
        }
        // what was declared never changes, so that it can be checked before the row is taken
        let variables = answer.check(&step.view.out_args).map_err(Error::Invalid)?;
        let given = StepAnswer { outcome: answer.outcome, variables };
        let id = step.view.id;
        let taken = self
            .store
            .tx(async |conn| -> Result<Result<Step, Option<Step>>, Error> {
                let Some(step) = step_answer(conn, id, &given, actor, now).await? else {
                    return Ok(Err(step_find(conn, id).await?));
                };
                let what = ("answered", given.outcome.name());
                event_insert(conn, id, now, what, actor).await?;
                let event = ManualAnswered {
                    step: id,
                    execution_id: step.view.execution_id,
                    outcome: given.outcome,
                    variables: given.variables.clone(),
                    answered_by: actor.name.clone(),
                    at: now,
                };
                self.bus.put(conn, now, &event).await?;
                Ok(Ok(step))
            })
            .await?;
        match taken {
            Ok(step) => {
                self.bus.wake();
                tracing::info!(step.id = %id, answer.by = actor.name, answer.outcome = given.outcome.name(), "answered");
                Ok(step.view)
            }
            Err(Some(step)) => settled(step, answer, actor),
            Err(None) => Err(Error::NotFound("step")),
        }
    }
}

/// Says how a step stands that waits no longer. The same answer again by the same person is as good as the first.
fn settled(step: Step, answer: &Answer, actor: &Actor) -> Result<StepView, Error> {
    let view = &step.view;
    let (Some(by), Some(known)) = (&view.answered_by, &view.answer) else {
        return Err(Error::NotPending(match view.state {
            StepState::Cancelled => "the step is needed no longer".into(),
            _ => "the step's deadline has passed".into(),
        }));
    };
    let same_person = match step.answered_by_id {
        Some(id) => actor.investigator == Some(id),
        None => {
            *by == actor.name
                && (actor.investigator.is_some()
                    || step.answered_from.as_deref() == Some(actor.address.as_str()))
        }
    };
    let same_answer = known.outcome == answer.outcome
        && answer.check(&view.out_args).is_ok_and(|variables| variables == known.variables);
    if same_person && same_answer {
        return Ok(step.view);
    }
    Err(Error::AlreadyAnswered { by: by.clone() })
}
