//! Launches runs whose time has come.

use super::pass_over::Turn;
use super::{App, run_meters};
use crate::domain::run::{RunStatus, after_launch};
use crate::error::Error;
use crate::store::commands::{MadeRow, commands_make};
use crate::store::runs::{OrderRow, RunRow, Tell, run_claim_due, run_lock, run_order, run_update};
use store::{Conn, Failure};
use time::{Duration, OffsetDateTime};
use tracing::Instrument;
use types::messages::CommandPlanned;
use types::messages::command::{
    ISSUED_PER_MESSAGE, IssuedCommand, PlannedCommand, module_is_missing,
};
use types::{Action, ActionId, AgentId, CommandId, CommandStatus};

/// How often the commands of a run are tried to be made before its target is to blame: anything may fail once, and what
/// holds up one statement may be another. After each time the run waits twice as long, from a second on.
const TRIES: i32 = 4;

impl App {
    /// Launches the run that is due for the longest time; tells whether there was one.
    ///
    /// Commands, messages and the run's state are one transaction. Any number of schedulers may do this at once.
    /// Nothing is launched on the word of a stale copy of the keys: whoever signed may have been disabled since.
    pub(crate) async fn launch_run(&self) -> Result<Turn, Error> {
        let now = self.clock.now();
        if !self.replica.is_fresh(now) {
            return Ok(Turn::Nothing);
        }
        let (mut claimed, mut blamed) = (None, None);
        let launched = self
            .store
            .tx(async |conn| -> Result<Turn, Error> {
                let Some(run) = run_claim_due(conn, now).await? else { return Ok(Turn::Nothing) };
                claimed = Some((run.action_id, run.tries));
                let span = run.span("launch");
                self.launch(conn, run, &mut blamed, now).instrument(span).await?;
                Ok(Turn::Done)
            })
            .await;
        if matches!(launched, Ok(Turn::Done)) {
            self.bus.wake();
        }
        let (Err(error), Some((action, tries)), Some(reason)) = (&launched, claimed, blamed) else {
            let action = claimed.map(|(action, _)| action);
            return self.or_pass_over(launched, action, "launched").await;
        };
        tracing::warn!(action.id = action, ?error, tries, reason, "no commands could be made");
        if tries + 1 < TRIES {
            self.put_off(action, Duration::seconds(1 << tries), 1).await?;
        } else {
            self.invalidate(ActionId(action), reason).await?;
        }
        Ok(Turn::Done)
    }

    async fn launch(
        &self,
        conn: &mut Conn,
        mut run: RunRow,
        blamed: &mut Option<&'static str>,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        if run.expire_after < now {
            return self
                .finish(conn, run, RunStatus::Expired, "its time passed before it could start", now)
                .await;
        }
        let OrderRow { document, target, modules } = run_order(conn, run.action_id).await?;
        if let Err(reason) = self.still_signed(&document, now).await? {
            return self.finish(conn, run, RunStatus::Invalid, &reason, now).await;
        }
        let target = match fleet::parse_target(&target) {
            Ok(target) => target,
            Err(error) => {
                let reason = format!("target: {error}");
                return self.finish(conn, run, RunStatus::Invalid, &reason, now).await;
            }
        };
        let made = commands_make(conn, &run, modules, fleet::aim(&target, now), now).await;
        let made = made.map_err(|error| {
            let failure = Failure::from(error);
            *blamed = hopeless(&failure);
            failure
        })?;
        if made.is_empty() {
            let reason = "no agent that is online or idle matches the target";
            return self.finish(conn, run, RunStatus::Invalid, reason, now).await;
        }
        let unfit = made.iter().filter(|command| command.missing.is_some()).count();
        run.counters.targeted = i64::try_from(made.len()).unwrap_or(i64::MAX);
        run.counters.failed = i64::try_from(unfit).unwrap_or(i64::MAX);
        run_meters::closed(CommandStatus::Failed, run.counters.failed);
        let counters = run.counters();
        let status = after_launch(counters.targeted, counters.failed);
        run.status = status.name().into();
        run.started = Some(now);
        run.finished = (status == RunStatus::Completed).then_some(now);
        if run.dispatch.dispatch.is_some() {
            self.hold_back(conn, &mut run, &document, &made, now).await?;
        } else {
            self.issue_all(conn, &run, &document, made.iter(), now).await?;
        }
        let run = run_update(conn, &run, Tell::Now, now).await?;
        self.bus.put(conn, now, &run.changed(now)).await?;
        tracing::info!(action.id = run.action_id, agents = counters.targeted, "launched");
        Ok(())
    }

    /// Gives out the first commands and holds the others back; those that failed from the start are told at once.
    async fn hold_back(
        &self,
        conn: &mut Conn,
        run: &mut RunRow,
        document: &str,
        made: &[MadeRow],
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let (fit, unfit): (Vec<_>, Vec<_>) =
            made.iter().partition(|command| command.missing.is_none());
        let planned: Vec<_> = fit
            .chunks(ISSUED_PER_MESSAGE)
            .map(|fit| CommandPlanned {
                action: ActionId(run.action_id),
                at: now,
                commands: fit
                    .iter()
                    .map(|made| PlannedCommand {
                        id: CommandId(made.id),
                        agent: AgentId(made.agent_id),
                    })
                    .collect(),
            })
            .collect();
        self.bus.put_all(conn, now, &planned).await?;
        self.issue_all(conn, run, document, unfit.into_iter(), now).await?;
        run.dispatch.held = i64::try_from(fit.len()).unwrap_or(i64::MAX);
        run.dispatch.paced = Some(now);
        let counters = run.counters();
        run.dispatch.forgive(&counters);
        self.look(conn, run, now).await?;
        Ok(())
    }

    async fn issue_all(
        &self,
        conn: &mut Conn,
        run: &RunRow,
        document: &str,
        made: impl Iterator<Item = &MadeRow>,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let commands: Vec<_> = made.map(command).collect();
        self.put_issued(conn, run, document, &commands, now).await
    }

    /// Verifies the signatures once more: whoever signed may have been disabled while the run waited for its time.
    /// That takes a while, beside the event loops.
    pub(super) async fn still_signed(
        &self,
        document: &str,
        now: OffsetDateTime,
    ) -> Result<Result<(), String>, Error> {
        let (document, keyring) = (document.to_owned(), self.replica.current());
        let verified = tokio::task::spawn_blocking(move || {
            let action = Action::parse(document.as_bytes()).map_err(|error| error.to_string())?;
            let signers = keyring.verify_action(&action, now);
            signers.map(drop).map_err(|error| format!("signature: {error}"))
        });
        verified.await.map_err(|_stopped| Error::NotYet("the signatures were not verified"))
    }

    async fn finish(
        &self,
        conn: &mut Conn,
        mut run: RunRow,
        status: RunStatus,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        run.status = status.name().into();
        run.reason = Some(reason.into());
        run.finished = Some(now);
        let run = run_update(conn, &run, Tell::Now, now).await?;
        self.bus.put(conn, now, &run.changed(now)).await?;
        tracing::info!(
            action.id = run.action_id,
            run.status = status.name(),
            reason,
            "ended without a command"
        );
        Ok(())
    }

    async fn invalidate(&self, action: ActionId, reason: &str) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                match run_lock(conn, action).await? {
                    Some(run) if run.is(RunStatus::Pending) => {
                        self.finish(conn, run, RunStatus::Invalid, reason, now).await
                    }
                    _ => Ok(()),
                }
            })
            .await?;
        self.bus.wake();
        Ok(())
    }
}

/// Says why what failed once will fail again: a run that can never be launched must not hold up the others.
fn hopeless(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::Internal(_) => Some("the target could not be evaluated over the agents"),
        Failure::Unavailable(cause) if cause.to_string().contains("statement timeout") => {
            Some("the target takes too long to evaluate over the agents")
        }
        _ => None,
    }
}

fn command(made: &MadeRow) -> IssuedCommand {
    let failed = made.missing.as_ref();
    IssuedCommand {
        id: CommandId(made.id),
        agent: AgentId(made.agent_id),
        failed: failed.map(|module| module_is_missing(module)),
    }
}
