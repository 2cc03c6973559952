//! Ends runs from the outside: their time is over, or an investigator withdrew them.

use super::{App, run_meters};
use crate::domain::run::RunStatus;
use crate::error::Error;
use crate::store::commands::commands_withdraw;
use crate::store::runs::{RunRow, Tell, run_claim_over, run_update};
use store::Conn;
use time::OffsetDateTime;
use types::messages::CommandWithdrawn;
use types::messages::command::ISSUED_PER_MESSAGE;
use types::{ActionId, CommandId, CommandStatus};

impl App {
    /// Ends one run whose time is over; tells whether there was one. Open commands end as expired.
    pub(crate) async fn expire_run(&self) -> Result<bool, Error> {
        let now = self.clock.now();
        let ended = self
            .store
            .tx(async |conn| -> Result<Option<i64>, Error> {
                let Some(mut run) = run_claim_over(conn, now).await? else { return Ok(None) };
                let status = if run.started.is_none() {
                    run.reason = Some("its time passed before it could start".into());
                    RunStatus::Expired
                } else {
                    RunStatus::Completed
                };
                self.end_run(conn, run, status, CommandStatus::Expired, now).await.map(Some)
            })
            .await?;
        self.bus.wake();
        run_meters::closed(CommandStatus::Expired, ended.unwrap_or(0));
        Ok(ended.is_some())
    }

    /// Ends the open commands of `run` as `commands` and the run itself as `status`; gives how many commands ended.
    pub(super) async fn end_run(
        &self,
        conn: &mut Conn,
        mut run: RunRow,
        status: RunStatus,
        commands: CommandStatus,
        now: OffsetDateTime,
    ) -> Result<i64, Error> {
        let action = ActionId(run.action_id);
        let ended = commands_withdraw(conn, action, commands, now).await?;
        let count = i64::try_from(ended.len()).unwrap_or(i64::MAX);
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
        let withdrawn: Vec<_> = ended
            .chunks(ISSUED_PER_MESSAGE)
            .map(|ended| CommandWithdrawn {
                action,
                status: commands,
                at: now,
                commands: ended.iter().map(|row| CommandId(row.id)).collect(),
            })
            .collect();
        self.bus.put_all(conn, now, &withdrawn).await?;
        self.bus.put(conn, now, &run.changed(now)).await?;
        tracing::info!(action.id = %action, run.status = status.name(), withdrawn = count, "ended");
        Ok(count)
    }
}
