//! Pauses a run on an investigator's word, or lets it go on.

use super::App;
use crate::domain::run::RunStatus;
use crate::error::Error;
use crate::store::commands::commands_forgive;
use crate::store::runs::{RunRow, Tell, run_lock, run_update};
use messaging::inbox;
use time::OffsetDateTime;
use types::Envelope;
use types::messages::ActionSteered;

impl App {
    /// Pauses a run that has not started or still holds commands back, or lets a paused one go on. Of two orders the
    /// later one counts, in whatever order they come; a run that is over stays as it is.
    pub(crate) async fn steer_run(&self, event: &Envelope<ActionSteered>) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                if inbox::admit(conn, "scheduler.actions", &[event.id], now).await?.is_empty() {
                    return Ok(());
                }
                let Some(mut run) = run_lock(conn, event.data.id).await? else {
                    return Err(Error::NotYet("the steered action has not arrived"));
                };
                if run.dispatch.steered.is_some_and(|last| last >= event.data.at) {
                    return Ok(());
                }
                run.dispatch.steered = Some(event.data.at);
                if event.data.paused {
                    pause(&mut run, event);
                } else if resume(&mut run, now) {
                    commands_forgive(conn, run.action_id).await?;
                }
                let run = run_update(conn, &run, Tell::Now, now).await?;
                self.bus.put(conn, now, &run.changed(now)).await?;
                tracing::info!(action.id = run.action_id, run.status = run.status, "steered");
                Ok(())
            })
            .await?;
        self.bus.wake();
        self.due.notify_one();
        self.held.notify_one();
        Ok(())
    }
}

fn pause(run: &mut RunRow, event: &Envelope<ActionSteered>) {
    let not_started = run.is(RunStatus::Pending);
    if not_started || run.is(RunStatus::Inflight) && run.dispatch.held > 0 {
        run.status = RunStatus::Paused.name().into();
        run.reason = Some(format!("paused by investigator {}", event.data.by));
        run.dispatch.look = None;
    }
}

/// Lets a run go on. What went wrong until now is forgiven, as somebody looked at it; tells whether there may be such.
fn resume(run: &mut RunRow, now: OffsetDateTime) -> bool {
    if !run.is(RunStatus::Paused) {
        return false;
    }
    run.reason = None;
    if run.started.is_none() {
        run.status = RunStatus::Pending.name().into();
        return false;
    }
    run.status = RunStatus::Inflight.name().into();
    let counters = run.counters();
    run.dispatch.forgive(&counters);
    run.dispatch.look = Some(now);
    true
}
