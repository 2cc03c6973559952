//! Withdraws an action on an investigator's word.

use super::App;
use super::hear_word::{Heard, Hearing};
use crate::domain::order::Order;
use crate::domain::run::RunStatus;
use crate::domain::word::{Wish, Word};
use crate::error::Error;
use crate::store::commands::WITHDRAWN_AT_ONCE;
use crate::store::runs::{RunRow, run_insert, run_lock_within};
use store::Conn;
use time::OffsetDateTime;
use types::messages::ActionCancelled;
use types::{ActionId, CommandStatus, Envelope};

impl App {
    /// Ends a pending or running action as cancelled; one that is over stays as it is.
    pub(crate) async fn cancel_run(&self, event: &Envelope<ActionCancelled>) -> Result<(), Error> {
        let ActionCancelled { id, by } = event.data;
        self.hear(event.id, &Word { action: id, by, wish: Wish::Cancel }).await
    }

    pub(super) async fn cancel(
        &self,
        conn: &mut Conn,
        word: &Word,
        hearing: Hearing,
        now: OffsetDateTime,
    ) -> Result<Heard, Error> {
        let Word { action, by, .. } = *word;
        let why = format!("withdrawn by investigator {by}");
        let run = match run_lock_within(conn, action, hearing.patience()).await? {
            None if self.withdraw_ahead(conn, action, &why, now).await? => return Ok(Heard::Done),
            // it came at this moment
            None => run_lock_within(conn, action, hearing.patience()).await?,
            found => found,
        };
        let Some(mut run) = run.filter(RunRow::is_open) else { return Ok(Heard::Done) };
        let counters = run.counters();
        if hearing == Hearing::Others && counters.targeted - counters.done() > WITHDRAWN_AT_ONCE {
            return Ok(Heard::Long);
        }
        run.reason = Some(why);
        self.end_run(conn, run, RunStatus::Cancelled, CommandStatus::Cancelled, now).await?;
        Ok(Heard::Done)
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
