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
        let step = match (&step, self.still_signed(run, now)) {
            (Step::Issue { .. }, Err(reason)) => Step::Pause(reason),
            _ => step,
        };
        match step {
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

    async fn issue(
        &self,
        conn: &mut Conn,
        run: &RunRow,
        count: i64,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let next = commands_issue(conn, run.action_id, count).await?;
        let issued: Vec<_> = next
            .chunks(ISSUED_PER_MESSAGE)
            .map(|next| {
                let commands = next.iter().map(|row| IssuedCommand {
                    id: CommandId(row.id),
                    agent: AgentId(row.agent_id),
                    failed: None,
                });
                run.issued(commands.collect(), now)
            })
            .collect();
        self.bus.put_all(conn, now, &issued).await?;
        let wave = run.dispatch.wave;
        tracing::info!(action.id = run.action_id, wave, agents = next.len(), "given out");
        Ok(())
    }
}

impl RunRow {
    /// Tells agent-gateway of commands of this run.
    pub(super) fn issued(&self, commands: Vec<IssuedCommand>, at: OffsetDateTime) -> CommandIssued {
        CommandIssued {
            action: ActionId(self.action_id),
            document: self.document.clone(),
            at,
            expire_after: self.expire_after,
            commands,
        }
    }
}
