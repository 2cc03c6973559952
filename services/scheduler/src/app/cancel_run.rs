//! Withdraws an action on an investigator's word.

use super::App;
use crate::domain::order::Order;
use crate::domain::run::RunStatus;
use crate::error::Error;
use crate::store::runs::{RunRow, run_insert, run_lock};
use messaging::inbox;
use store::Conn;
use time::OffsetDateTime;
use types::messages::ActionCancelled;
use types::{ActionId, CommandStatus, Envelope};

impl App {
    /// Ends a pending or running action as cancelled; one that is over stays as it is.
    pub(crate) async fn cancel_run(&self, event: &Envelope<ActionCancelled>) -> Result<(), Error> {
        let now = self.clock.now();
        let ActionCancelled { id, by } = event.data;
        let why = format!("withdrawn by investigator {by}");
        self.store
            .tx(async |conn| -> Result<(), Error> {
                if inbox::admit(conn, "scheduler.actions", &[event.id], now).await?.is_empty() {
                    return Ok(());
                }
                let run = match run_lock(conn, id).await? {
                    None if self.withdraw_ahead(conn, id, &why, now).await? => return Ok(()),
                    // it came at this moment
                    None => run_lock(conn, id).await?,
                    found => found,
                };
                if let Some(mut run) = run.filter(RunRow::is_open) {
                    run.reason = Some(why);
                    let cancelled = CommandStatus::Cancelled;
                    self.end_run(conn, run, RunStatus::Cancelled, cancelled, now).await?;
                }
                Ok(())
            })
            .await?;
        self.bus.wake();
        Ok(())
    }

    /// Ends an action that has not arrived: its acceptance and its withdrawal may travel on two ways, and the first
    /// word on a number counts. Tells whether there was none.
    async fn withdraw_ahead(
        &self,
        conn: &mut Conn,
        id: ActionId,
        why: &str,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        let over = Some((RunStatus::Cancelled, why));
        let made = run_insert(conn, id, "", &Order::none(now), over, now).await?;
        if let Some(run) = &made {
            self.bus.put(conn, now, &run.changed(now)).await?;
        }
        Ok(made.is_some())
    }
}
