//! Who is asked: claimed, released, assigned; and what people say of a step.

use super::App;
use crate::domain::answer::fault;
use crate::error::Error;
use crate::store::events::{Actor, event_insert};
use crate::store::steps::{Person, Step, step_assign, step_find};
use types::api::step::{StepState, StepView};
use types::{InvestigatorId, InvestigatorStatus, Permission, Permissions, StepRunId};

/// Says how many characters a comment may have.
const LONGEST_COMMENT: usize = 4_000;

impl App {
    /// Lets somebody take a step that is nobody else's.
    pub(crate) async fn claim_step(&self, id: StepRunId, actor: &Actor) -> Result<StepView, Error> {
        self.assign(id, Some(person(actor)), Some(person(actor)), ("claimed", ""), actor).await
    }

    /// Lets somebody give back a step of theirs.
    pub(crate) async fn release_step(
        &self,
        id: StepRunId,
        actor: &Actor,
    ) -> Result<StepView, Error> {
        self.assign(id, None, Some(person(actor)), ("released", ""), actor).await
    }

    /// Says who is asked, whoever was.
    pub(crate) async fn assign_step(
        &self,
        id: StepRunId,
        assignee: &str,
        actor: &Actor,
    ) -> Result<StepView, Error> {
        let found = self.responder(assignee).map_err(|why| {
            let detail = format!("{assignee:?} {why}");
            Error::Invalid(vec![fault("/assignee", detail)])
        })?;
        let to = Person { name: assignee, id: Some(found) };
        self.assign(id, Some(to), None, ("assigned", assignee), actor).await
    }

    /// Adds a comment, whether the step waits or has ended.
    pub(crate) async fn comment_step(
        &self,
        id: StepRunId,
        text: &str,
        actor: &Actor,
    ) -> Result<StepView, Error> {
        let text = text.trim();
        let length = text.chars().count();
        if length == 0 || length > LONGEST_COMMENT || text.contains('\0') {
            let detail = format!("a comment has 1 to {LONGEST_COMMENT} characters and no NUL");
            return Err(Error::Invalid(vec![fault("/text", detail)]));
        }
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<StepView, Error> {
                let step = step_find(conn, id).await?.ok_or(Error::NotFound("step"))?;
                event_insert(conn, id, now, ("commented", text), actor).await?;
                Ok(step.view)
            })
            .await
    }

    async fn assign(
        &self,
        id: StepRunId,
        to: Option<Person<'_>>,
        only_from: Option<Person<'_>>,
        what: (&str, &str),
        actor: &Actor,
    ) -> Result<StepView, Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<StepView, Error> {
                let Some(step) = step_assign(conn, id, to, only_from).await? else {
                    return Err(refused(step_find(conn, id).await?));
                };
                event_insert(conn, id, now, what, actor).await?;
                Ok(step.view)
            })
            .await
    }

    /// Finds the active investigator of this name who may answer; says why there is not the one.
    pub(super) fn responder(&self, name: &str) -> Result<InvestigatorId, &'static str> {
        let keyring = self.replica.current();
        let mut found = keyring.iter().filter(|state| {
            state.name == name
                && state.status == InvestigatorStatus::Active
                && Permissions(state.permissions).has(Permission::ManualRespond)
        });
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.id),
            (None, _) => Err("is no active investigator with manual_respond"),
            (Some(_), Some(_)) => Err(
                "is what several investigators are called; let the one who is meant claim the step",
            ),
        }
    }
}

fn person(actor: &Actor) -> Person<'_> {
    Person { name: &actor.name, id: actor.investigator }
}

fn refused(step: Option<Step>) -> Error {
    match step.map(|step| step.view) {
        None => Error::NotFound("step"),
        Some(StepView { state: StepState::Pending, assignee: Some(other), .. }) => {
            Error::Taken(other)
        }
        Some(view) => {
            Error::NotPending(format!("the step is {}; it waits no longer", view.state.name()))
        }
    }
}
