//! Pauses an action or lets it go on.

use super::App;
use crate::domain::audit::{Actor, Entry};
use crate::error::Error;
use crate::store::actions::actions_find;
use crate::store::audit::audit_append;
use types::messages::ActionSteered;
use types::{ActionId, InvestigatorId};

/// Says what an investigator wants of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Steer {
    /// That no more commands are given out for now.
    Pause,
    /// That it goes on.
    Resume,
}

impl App {
    /// Asks the scheduler to pause an action or to let it go on. One that is over, or whose commands are all given out,
    /// cannot be paused: that would do nothing.
    pub(crate) async fn steer_action(
        &self,
        id: ActionId,
        wanted: Steer,
        by: InvestigatorId,
        actor: &Actor,
    ) -> Result<(), Error> {
        let (paused, what) = match wanted {
            Steer::Pause => (true, "action.paused"),
            Steer::Resume => (false, "action.resumed"),
        };
        let steered = self.steer(id, paused, by, actor, what).await;
        steered.inspect_err(|error| {
            self.note_refusal(actor, what, &format!("action {id}"), error);
        })?;
        tracing::info!(action.id = %id, investigator.id = %by, paused, "steered");
        Ok(())
    }

    async fn steer(
        &self,
        id: ActionId,
        paused: bool,
        by: InvestigatorId,
        actor: &Actor,
        what: &'static str,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let view = self.show_action(id).await?;
        if view.is_over() {
            return Err(Error::Conflict(format!("action {id} is over: it is {}", view.status)));
        }
        let all_at_once = view.dispatch.is_none() && view.started.is_some();
        let all_out =
            view.dispatch.as_ref().is_some_and(|dispatch| dispatch.wave > 0 && dispatch.held == 0);
        if paused && (all_at_once || all_out) {
            let detail = format!(
                "the commands of action {id} are all given out, so there is nothing to pause; cancel it to end those that \
                 are open"
            );
            return Err(Error::Conflict(detail));
        }
        self.store
            .tx(async |conn| -> Result<(), Error> {
                if actions_find(conn, &[id.0]).await?.is_empty() {
                    return Err(Error::NotFound(format!("action {id}")));
                }
                self.bus.put(conn, now, &ActionSteered { id, paused, by, at: now }).await?;
                let entry = Entry::done(now, actor, what, format!("action {id}"), "");
                audit_append(conn, &[entry]).await?;
                Ok(())
            })
            .await?;
        self.bus.wake();
        Ok(())
    }
}
