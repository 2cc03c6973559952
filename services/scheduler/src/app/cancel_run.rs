//! Withdraws an action on an investigator's word.

use super::{App, run_meters};
use crate::domain::run::RunStatus;
use crate::error::Error;
use crate::store::runs::run_lock;
use messaging::inbox;
use types::messages::ActionCancelled;
use types::{CommandStatus, Envelope};

impl App {
    /// Ends a pending or running action as cancelled; one that is over stays as it is.
    pub(crate) async fn cancel_run(&self, event: &Envelope<ActionCancelled>) -> Result<(), Error> {
        let now = self.clock.now();
        let ended = self
            .store
            .tx(async |conn| -> Result<i64, Error> {
                if inbox::admit(conn, "scheduler.actions", &[event.id], now).await?.is_empty() {
                    return Ok(0);
                }
                let Some(mut run) = run_lock(conn, event.data.id).await? else {
                    return Err(Error::NotYet("the cancelled action has not arrived"));
                };
                if !run.is_open() {
                    return Ok(0);
                }
                run.reason = Some(format!("withdrawn by investigator {}", event.data.by));
                self.end_run(conn, run, RunStatus::Cancelled, CommandStatus::Cancelled, now).await
            })
            .await?;
        self.bus.wake();
        run_meters::closed(CommandStatus::Cancelled, ended);
        Ok(())
    }
}
