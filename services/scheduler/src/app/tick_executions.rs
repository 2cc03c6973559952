//! Looks at executions when their time has come, and takes the commands that are to be done.

use super::App;
use super::advance::Held;
use super::call_command::Call;
use crate::domain::execution::StepState;
use crate::domain::machine::Failure;
use crate::error::Error;
use crate::store::executions::{
    EndedRow, LEASE, action_found, execution_claim, execution_get, execution_put_off,
    execution_told, executions_count, executions_find, steps_ended, steps_renew,
};
use crate::store::runs::run_lock;
use std::collections::BTreeMap;
use store::Conn;
use time::{Duration, OffsetDateTime};
use types::ActionId;
use uuid::Uuid;

/// For how long an execution is put off that cannot be looked at now.
const PUT_OFF: Duration = Duration::seconds(1);
/// Says how many names of agents a variable holds.
const NAMED_AGENTS: i64 = 1_000;

impl App {
    /// Looks at the execution that waits for that the longest; tells whether there was one, and gives the commands that
    /// this process has taken. Any number of schedulers may do this at once.
    pub(crate) async fn tick_execution(&self) -> Result<(bool, Vec<Call>), Error> {
        let now = self.clock.now();
        let mut claimed = None;
        let ticked = self
            .store
            .tx(async |conn| -> Result<(bool, Vec<Call>), Error> {
                let Some(row) = execution_claim(conn, now).await? else {
                    return Ok((false, vec![]));
                };
                claimed = Some(row.id);
                let mut held = self.held(conn, row).await?;
                self.renew_own(&mut held, now);
                let effects = self.turn(&mut held, now, |machine| {
                    machine.tick();
                });
                let mut calls = Vec::new();
                let ready: Vec<_> = held
                    .execution
                    .steps
                    .iter()
                    .filter(|run| run.state == StepState::Ready)
                    .map(|run| run.id)
                    .collect();
                for id in ready {
                    let Ok(hand) = self.idle.clone().try_acquire_owned() else { break };
                    if let Some(run) = held.execution.open_mut(id) {
                        run.state = StepState::Calling;
                        run.lease = Some(now + LEASE);
                    }
                    calls.extend(Call::of(&held, id, hand));
                }
                self.carry_out(conn, held, effects, now).await?;
                Ok((true, calls))
            })
            .await;
        if matches!(ticked, Ok((true, _))) {
            self.bus.wake();
        }
        match (ticked, claimed) {
            (Err(error), Some(id)) => {
                self.pass_over(id, error).await?;
                Ok((true, vec![]))
            }
            (ticked, _) => ticked,
        }
    }

    /// Sees to it that an execution that could not be looked at holds up no other.
    async fn pass_over(&self, id: Uuid, error: Error) -> Result<(), Error> {
        let Err(error) = self.contain(id, error).await else { return Ok(()) };
        let mut conn = self.store.get().await?;
        execution_put_off(&mut conn, id, self.clock.now() + PUT_OFF).await?;
        tracing::warn!(%error, execution.id = %id, "cannot be looked at yet");
        Ok(())
    }

    /// Renews the leases of the commands that are under way in this process: they may have run out while the database
    /// was away, and their outcome is still to come.
    fn renew_own(&self, held: &mut Held, now: OffsetDateTime) {
        let own = self.calling();
        let calling = held.execution.steps.iter_mut();
        for run in calling.filter(|run| run.state == StepState::Calling && own.contains(&run.id)) {
            (run.lease, run.due, run.missed) = (Some(now + LEASE), None, None);
        }
    }

    /// Says of the commands under way here that their process lives.
    pub(crate) async fn renew_calls(&self) -> Result<(), Error> {
        let mut steps = self.calling();
        if steps.is_empty() {
            return Ok(());
        }
        steps.sort_unstable();
        let mut conn = self.store.get().await?;
        steps_renew(&mut conn, &steps, self.clock.now() + LEASE).await?;
        Ok(())
    }

    /// Tells steps of executions and actions that they waited for and that are over; one that cannot be told holds up
    /// no other, and is the error in the end.
    pub(crate) async fn gather_ends(&self) -> Result<(), Error> {
        let mut failed = None;
        let ended = {
            let mut conn = self.store.get().await?;
            steps_ended(&mut conn).await?
        };
        for one in ended {
            if !self.goes_on() {
                break;
            }
            let Err(error) = self.gather(&one).await else { continue };
            if let Err(error) = self.contain(one.execution_id, error).await {
                tracing::warn!(%error, execution.id = %one.execution_id, "cannot be told of an end yet");
                failed = Some(error);
            } else if let Some(child) = one.child {
                execution_told(&mut *self.store.get().await?, child).await?;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn gather(&self, ended: &EndedRow) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let Some(held) = self.hold(conn, ended.execution_id).await? else { return Ok(()) };
                let outcome = match (ended.child, ended.action_id) {
                    (Some(child), _) => {
                        let outcome = child_outcome(conn, child).await?;
                        execution_told(conn, child).await?;
                        outcome
                    }
                    (None, Some(action)) => action_outcome(conn, action).await?,
                    (None, None) => return Ok(()),
                };
                self.advance(conn, held, now, |machine| machine.ended(ended.step, outcome)).await
            })
            .await?;
        self.bus.wake();
        self.steps.notify_one();
        Ok(())
    }

    /// Has executions looked at that another began and nobody began to run: a scheduler of the version before does not
    /// know that their first look is their beginning.
    pub(crate) async fn find_executions(&self) -> Result<(), Error> {
        let mut conn = self.store.get().await?;
        if executions_find(&mut conn, self.clock.now()).await? > 0 {
            self.steps.notify_one();
        }
        Ok(())
    }

    /// Counts what runs and what waits, for the metrics.
    pub(crate) async fn count_executions(&self) -> Result<(), Error> {
        let counts = {
            let mut conn = self.store.get().await?;
            executions_count(&mut conn).await?
        };
        self.meters.note(counts.iter().map(|row| (row.name.as_str(), row.count)));
        Ok(())
    }
}

async fn child_outcome(
    conn: &mut Conn,
    child: Uuid,
) -> Result<Result<BTreeMap<String, String>, Failure>, Error> {
    let Some(row) = execution_get(conn, child).await? else {
        return Ok(Err(Failure::new("the execution that was begun is gone")));
    };
    let execution = row.with(vec![])?;
    if row.state != "succeeded" {
        let reason = row.reason.unwrap_or_else(|| row.state.clone());
        return Ok(Err(Failure::new(format!(
            "the playbook {} {}: {reason}",
            row.playbook_id, row.state
        ))));
    }
    let values = execution
        .variables
        .into_iter()
        .filter_map(|(name, variable)| Some((name, variable.value?)));
    Ok(Ok(values.collect()))
}

/// Gives counters and found agents of an action's run.
async fn action_outcome(
    conn: &mut Conn,
    action: i64,
) -> Result<Result<BTreeMap<String, String>, Failure>, Error> {
    let Some(run) = run_lock(conn, ActionId(action)).await? else {
        return Ok(Err(Failure::new(format!("action {action} is gone"))));
    };
    if run.status != "completed" {
        let reason = run.reason.unwrap_or_default();
        return Ok(Err(Failure::new(format!("action {action} ended as {}: {reason}", run.status))));
    }
    let counters = run.counters;
    let found = action_found(conn, action, NAMED_AGENTS).await?;
    let numbers = [
        ("targeted", counters.targeted),
        ("success", counters.success),
        ("failed", counters.failed),
        ("timeout", counters.timeout),
        ("expired", counters.expired),
        ("cancelled", counters.cancelled),
        ("action_id", action),
        ("found_count", i64::try_from(found.len()).unwrap_or(i64::MAX)),
    ];
    let mut values: BTreeMap<_, _> =
        numbers.map(|(name, number)| (format!("__writ_{name}__"), number.to_string())).into();
    values.insert("__writ_found_agents__".into(), found.join(","));
    Ok(Ok(values))
}

/// Is the time of a look, for the job that does it.
pub(crate) const LOOK: std::time::Duration = std::time::Duration::from_millis(250);
/// Is how often the processes that do commands say that they live.
pub(crate) const RENEW: std::time::Duration = std::time::Duration::from_secs(4);
