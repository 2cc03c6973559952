//! Pauses a run on an investigator's word, or lets it go on.

use super::App;
use super::hear_word::{Heard, Hearing};
use crate::domain::run::RunStatus;
use crate::domain::word::{Wish, Word};
use crate::error::Error;
use crate::store::commands::{commands_forgive, commands_forgive_lost};
use crate::store::runs::{RunRow, Tell, run_lock_within, run_update};
use store::Conn;
use time::OffsetDateTime;
use types::messages::ActionSteered;
use types::{Envelope, InvestigatorId};

impl App {
    /// Pauses a run that has not started or still holds commands back, or lets a paused one go on. Of two orders the
    /// later one counts, in whatever order they come; a run that is over stays as it is.
    pub(crate) async fn steer_run(&self, event: &Envelope<ActionSteered>) -> Result<(), Error> {
        let ActionSteered { id, paused, by, at } = event.data;
        self.hear(event.id, &Word { action: id, by, wish: Wish::Steer { paused, at } }).await
    }

    pub(super) async fn steer(
        &self,
        conn: &mut Conn,
        word: &Word,
        (paused, at): (bool, OffsetDateTime),
        hearing: Hearing,
        now: OffsetDateTime,
    ) -> Result<Heard, Error> {
        let run = run_lock_within(conn, word.action, hearing.patience()).await?;
        let Some(mut run) = run else { return Ok(Heard::Unknown) };
        if run.dispatch.steered.is_some_and(|last| last >= at) {
            return Ok(Heard::Done);
        }
        run.dispatch.steered = Some(at);
        if paused {
            pause(&mut run, word.by);
        } else if resume(&mut run, now) {
            commands_forgive(conn, run.action_id).await?;
            let lost = commands_forgive_lost(conn, run.action_id).await?;
            run.dispatch.forgiven_lost += i64::try_from(lost).unwrap_or(i64::MAX);
        }
        let run = run_update(conn, &run, Tell::Now, now).await?;
        self.bus.put(conn, now, &run.changed(now)).await?;
        tracing::info!(action.id = run.action_id, run.status = run.status, "steered");
        Ok(Heard::Done)
    }
}

fn pause(run: &mut RunRow, by: InvestigatorId) {
    let not_started = run.is(RunStatus::Pending);
    if not_started || run.is(RunStatus::Inflight) && run.dispatch.held > 0 {
        run.status = RunStatus::Paused.name().into();
        run.reason = Some(format!("paused by investigator {by}"));
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
