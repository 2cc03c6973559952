//! Gives out the commands of runs that hold some back.

use super::App;
use super::pass_over::Turn;
use crate::domain::dispatch::{Step, next};
use crate::domain::run::RunStatus;
use crate::error::Error;
use crate::store::commands::{commands_issue, commands_silent};
use crate::store::runs::{RunRow, Tell, run_claim_held, run_look, run_order, run_update};
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
    /// this at once: each run is looked at by one of them, in one transaction. As with a launch, a stale copy of the
    /// keys gives nothing out.
    pub(crate) async fn dispatch_run(&self) -> Result<Turn, Error> {
        let now = self.clock.now();
        if !self.replica.is_fresh(now) {
            return Ok(Turn::Nothing);
        }
        let mut claimed = None;
        let found = self
            .store
            .tx(async |conn| -> Result<Turn, Error> {
                let Some(mut run) = run_claim_held(conn, now).await? else {
                    return Ok(Turn::Nothing);
                };
                claimed = Some(run.action_id);
                let span = run.span("dispatch");
                let looked = self.look(conn, &mut run, now).instrument(span).await?;
                let tell = match looked {
                    Looked::Unchanged => {
                        run_look(conn, run.action_id, run.dispatch.look).await?;
                        return Ok(Turn::Done);
                    }
                    Looked::Issued => Tell::Soon,
                    Looked::Paused => Tell::Now,
                };
                let run = run_update(conn, &run, tell, now).await?;
                if !run.unpublished {
                    self.bus.put(conn, now, &run.changed(now)).await?;
                }
                Ok(Turn::Done)
            })
            .await;
        if matches!(found, Ok(Turn::Done)) {
            self.bus.wake();
        }
        self.or_pass_over(found, claimed, "dispatched").await
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
        match next(&plan, course, &counters, run.dispatch.forgiven(), silent, now) {
            Step::Wait(again) => {
                run.dispatch.look = again;
                Ok(Looked::Unchanged)
            }
            Step::Pause(reason) => Ok(pause(run, reason)),
            Step::Issue { count, course, again } => {
                let document = run_order(conn, run.action_id).await?.document;
                if let Err(reason) = self.still_signed(&document, now).await? {
                    return Ok(pause(run, reason));
                }
                run.dispatch.take(course);
                run.dispatch.look = again;
                self.issue(conn, run, &document, count, now).await?;
                Ok(Looked::Issued)
            }
        }
    }

    async fn issue(
        &self,
        conn: &mut Conn,
        run: &RunRow,
        document: &str,
        count: i64,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let next = commands_issue(conn, run.action_id, count).await?;
        let issued = next.iter().map(|row| IssuedCommand {
            id: CommandId(row.id),
            agent: AgentId(row.agent_id),
            failed: None,
        });
        self.put_issued(conn, run, document, &issued.collect::<Vec<_>>(), now).await?;
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
        document: &str,
        commands: &[IssuedCommand],
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let at_once = (MADE_AT_ONCE / document.len().max(1)).clamp(1, ISSUED_PER_MESSAGE);
        for some in commands.chunks(at_once * ISSUED_PER_MESSAGE) {
            let issued = some.chunks(ISSUED_PER_MESSAGE).map(|commands| CommandIssued {
                action: ActionId(run.action_id),
                document: document.to_owned(),
                at: now,
                expire_after: run.expire_after,
                commands: commands.to_vec(),
            });
            self.bus.put_all(conn, now, &issued.collect::<Vec<_>>()).await?;
        }
        Ok(())
    }
}

/// Stops a run by its own rule, or as its signatures do not hold any more.
fn pause(run: &mut RunRow, reason: String) -> Looked {
    tracing::warn!(action.id = run.action_id, reason, "paused by its own rule");
    run.status = RunStatus::Paused.name().into();
    run.reason = Some(reason);
    run.dispatch.look = None;
    Looked::Paused
}
