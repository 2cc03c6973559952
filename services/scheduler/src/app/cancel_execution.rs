//! Ends an execution on somebody's word.

use super::App;
use crate::domain::run::RunStatus;
use crate::error::Error;
use crate::store::runs::run_lock;
use store::Conn;
use time::OffsetDateTime;
use types::{ActionId, CommandStatus};
use uuid::Uuid;

impl App {
    /// Cancels an execution with all that it waits for; no branch runs. One that is over stays as it is.
    pub(crate) async fn cancel_execution(&self, id: Uuid, by: &str) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let held = self.hold(conn, id).await?.ok_or_else(|| no_execution(id))?;
                let state = held.execution.state;
                if state.is_over() {
                    return Err(Error::Conflict(format!(
                        "the execution {id} is over: it {}",
                        state.name()
                    )));
                }
                self.advance(conn, held, now, |machine| {
                    machine.cancel(format!("cancelled by {by}"));
                })
                .await
            })
            .await?;
        self.bus.wake();
        self.steps.notify_one();
        Ok(())
    }

    /// Ends the run of an action that an execution began.
    pub(super) async fn cancel_action(
        &self,
        conn: &mut Conn,
        action: ActionId,
        why: String,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let Some(mut run) = run_lock(conn, action).await? else { return Ok(()) };
        if !run.is_open() {
            return Ok(());
        }
        run.reason = Some(why);
        self.end_run(conn, run, RunStatus::Cancelled, CommandStatus::Cancelled, now).await
    }
}

/// Says that there is no such execution.
pub(super) fn no_execution(id: Uuid) -> Error {
    Error::NotFound(format!("there is no execution {id}"))
}
