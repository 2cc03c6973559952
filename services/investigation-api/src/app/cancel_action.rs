//! Withdraws an action.

use super::App;
use crate::domain::audit::{Actor, Entry};
use crate::error::Error;
use crate::store::actions::actions_find;
use crate::store::audit::audit_append;
use types::messages::ActionCancelled;
use types::{ActionId, InvestigatorId};

impl App {
    /// Asks the scheduler to end the open commands of an action; one that is over stays as it is.
    pub(crate) async fn cancel_action(
        &self,
        id: ActionId,
        by: InvestigatorId,
        actor: &Actor,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let cancelled = self
            .store
            .tx(async |conn| -> Result<(), Error> {
                if actions_find(conn, &[id.0]).await?.is_empty() {
                    return Err(Error::NotFound(format!("action {id}")));
                }
                self.bus.put(conn, now, &ActionCancelled { id, by }).await?;
                let entry = Entry::done(now, actor, "action.cancelled", format!("action {id}"), "");
                audit_append(conn, &[entry]).await?;
                Ok(())
            })
            .await;
        cancelled.inspect_err(|error| {
            self.note_refusal(actor, "action.cancelled", &format!("action {id}"), error);
        })?;
        self.bus.wake();
        tracing::info!(action.id = %id, investigator.id = %by, "withdrawn");
        Ok(())
    }
}
