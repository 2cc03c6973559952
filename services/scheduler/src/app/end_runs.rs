//! Ends runs from the outside: their time is over, or an investigator withdrew them.

use super::pass_over::Turn;
use super::{App, run_meters};
use crate::domain::run::RunStatus;
use crate::error::Error;
use crate::store::commands::{IdRow, WITHDRAWN_AT_ONCE, commands_withdraw};
use crate::store::runs::{RunRow, Tell, run_claim_over, run_update};
use store::Conn;
use time::OffsetDateTime;
use types::messages::CommandWithdrawn;
use types::messages::command::ISSUED_PER_MESSAGE;
use types::{ActionId, CommandId, CommandStatus};

impl App {
    /// Ends one run whose time is over; tells whether there was one. Open commands end as expired.
    pub(crate) async fn expire_run(&self) -> Result<Turn, Error> {
        let now = self.clock.now();
        let mut claimed = None;
        let ended = self
            .store
            .tx(async |conn| -> Result<Turn, Error> {
                let Some(mut run) = run_claim_over(conn, now).await? else {
                    return Ok(Turn::Nothing);
                };
                claimed = Some(run.action_id);
                let status = if run.started.is_none() {
                    run.reason = Some("its time passed before it could start".into());
                    RunStatus::Expired
                } else {
                    // it may be that of its pause
                    run.reason = None;
                    RunStatus::Completed
                };
                self.end_run(conn, run, status, CommandStatus::Expired, now).await?;
                Ok(Turn::Done)
            })
            .await;
        if matches!(ended, Ok(Turn::Done)) {
            self.bus.wake();
        }
        self.or_pass_over(ended, claimed, "ended").await
    }

    /// Ends the open commands of `run` as `commands` and the run itself as `status`.
    pub(super) async fn end_run(
        &self,
        conn: &mut Conn,
        mut run: RunRow,
        status: RunStatus,
        commands: CommandStatus,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let action = ActionId(run.action_id);
        let mut count = 0;
        loop {
            let ended = commands_withdraw(conn, action, commands, now).await?;
            let some = i64::try_from(ended.len()).unwrap_or(i64::MAX);
            self.put_withdrawn(conn, action, commands, &ended, now).await?;
            count += some;
            if some < WITHDRAWN_AT_ONCE {
                break;
            }
        }
        run_meters::closed(commands, count);
        match commands {
            CommandStatus::Cancelled => run.counters.cancelled += count,
            _ => run.counters.expired += count,
        }
        run.status = status.name().into();
        run.finished = Some(now);
        run.dispatch.held = 0;
        run.dispatch.wave_left = 0;
        run.dispatch.look = None;
        let run = run_update(conn, &run, Tell::Now, now).await?;
        self.bus.put(conn, now, &run.changed(now)).await?;
        tracing::info!(action.id = %action, run.status = status.name(), withdrawn = count, "ended");
        Ok(())
    }

    /// Tells agent-gateway of commands that ended.
    async fn put_withdrawn(
        &self,
        conn: &mut Conn,
        action: ActionId,
        status: CommandStatus,
        ended: &[IdRow],
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let withdrawn = ended.chunks(ISSUED_PER_MESSAGE).map(|ended| CommandWithdrawn {
            action,
            status,
            at: now,
            commands: ended.iter().map(|row| CommandId(row.id)).collect(),
        });
        Ok(self.bus.put_all(conn, now, &withdrawn.collect::<Vec<_>>()).await?)
    }
}
