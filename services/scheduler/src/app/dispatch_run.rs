//! Gives out the commands of runs that hold some back.

use super::App;
use crate::domain::dispatch::{Step, next};
use crate::domain::run::RunStatus;
use crate::error::Error;
use crate::store::commands::{commands_issue, commands_silent};
use crate::store::runs::{RunRow, Tell, run_claim_held, run_look, run_update};
use store::Conn;
use time::OffsetDateTime;
use tracing::Instrument;
use types::messages::CommandIssued;
use types::messages::command::{ISSUED_PER_MESSAGE, IssuedCommand};
use types::{ActionId, AgentId, CommandId};

/// How many bytes of documents are in messages that are being made.
const MADE_AT_ONCE: usize = 8 << 20;

/// Says what became of a run that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// Nothing but when it is looked at again.
    Unchanged,
    /// Commands were given out.
    Issued,
    /// It stopped.
    Paused,
}

impl App {
    /// Looks at the run that waits for that the longest; tells whether there was one. Any number of schedulers may do
    /// this at once: each run is looked at by one of them, in one transaction. As with a launch, a stale copy of the keys
    /// gives nothing out.
    pub(crate) async fn dispatch_run(&self) -> Result<bool, Error> {
        let now = self.clock.now();
        if !self.replica.is_fresh(now) {
            return Ok(false);
        }
        let found = self
            .store
            .tx(async |conn| -> Result<bool, Error> {
                let Some(mut run) = run_claim_held(conn, now).await? else { return Ok(false) };
                let span = run.span("dispatch");
                let looked = self.look(conn, &mut run, now).instrument(span).await?;
                let tell = match looked {
                    Looked::Unchanged => {
                        run_look(conn, run.action_id, run.dispatch.look).await?;
                        return Ok(true);
                    }
                    Looked::Issued => Tell::Soon,
                    Looked::Paused => Tell::Now,
                };
                let run = run_update(conn, &run, tell, now).await?;
                if !run.unpublished {
                    self.bus.put(conn, now, &run.changed(now)).await?;
                }
                Ok(true)
            })
            .await?;
        self.bus.wake();
        Ok(found)
    }

    /// Gives out what is due of a run that the caller has locked; the caller writes the run.
    pub(super) async fn look(
        &self,
        conn: &mut Conn,
        run: &mut RunRow,
        now: OffsetDateTime,
    ) -> Result<Looked, Error> {
        let plan = run.dispatch.plan().filter(|_| run.is(RunStatus::Inflight));
        let Some(plan) = plan.filter(|_| run.expire_after >= now) else {
            run.dispatch.look = None;
            return Ok(Looked::Unchanged);
        };
        let (course, counters) = (run.dispatch.course(now), run.counters());
        let waits = course.left == 0 && counters.done() < counters.targeted - course.held;
        let silent = waits && commands_silent(conn, run.action_id).await?;
        let step = next(&plan, course, &counters, run.dispatch.forgiven(), silent, now);
        match self.check_signers(run, step, now).await? {
            Step::Wait(again) => {
                run.dispatch.look = again;
                Ok(Looked::Unchanged)
            }
            Step::Pause(reason) => {
                tracing::warn!(action.id = run.action_id, reason, "paused by its own rule");
                run.status = RunStatus::Paused.name().into();
                run.reason = Some(reason);
                run.dispatch.look = None;
                Ok(Looked::Paused)
            }
            Step::Issue { count, course, again } => {
                run.dispatch.take(course);
                run.dispatch.look = again;
                self.issue(conn, run, count, now).await?;
                Ok(Looked::Issued)
            }
        }
    }

    /// Has a run stop that would give something out whose signatures do not hold any more.
    async fn check_signers(
        &self,
        run: &RunRow,
        step: Step,
        now: OffsetDateTime,
    ) -> Result<Step, Error> {
        if !matches!(step, Step::Issue { .. }) {
            return Ok(step);
        }
        let signed = self.still_signed(run, now).await?;
        Ok(signed.map_or_else(Step::Pause, |()| step))
    }

    async fn issue(
        &self,
        conn: &mut Conn,
        run: &RunRow,
        count: i64,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let next = commands_issue(conn, run.action_id, count).await?;
        let issued = next.iter().map(|row| IssuedCommand {
            id: CommandId(row.id),
            agent: AgentId(row.agent_id),
            failed: None,
        });
        self.put_issued(conn, run, &issued.collect::<Vec<_>>(), now).await?;
        let wave = run.dispatch.wave;
        tracing::info!(action.id = run.action_id, wave, agents = next.len(), "given out");
        Ok(())
    }

    /// Tells agent-gateway of commands. Each message carries the document, so that no more of them are made at a time
    /// than fit into a few megabytes.
    pub(super) async fn put_issued(
        &self,
        conn: &mut Conn,
        run: &RunRow,
        commands: &[IssuedCommand],
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let at_once = (MADE_AT_ONCE / run.document.len().max(1)).clamp(1, ISSUED_PER_MESSAGE);
        for some in commands.chunks(at_once * ISSUED_PER_MESSAGE) {
            let issued = some.chunks(ISSUED_PER_MESSAGE).map(|commands| CommandIssued {
                action: ActionId(run.action_id),
                document: run.document.clone(),
                at: now,
                expire_after: run.expire_after,
                commands: commands.to_vec(),
            });
            self.bus.put_all(conn, now, &issued.collect::<Vec<_>>()).await?;
        }
        Ok(())
    }
}
