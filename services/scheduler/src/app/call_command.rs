//! Does one command of a step on one target, and records what came of it.

mod http;
mod secret;
mod ssh;

pub(crate) use http::Http;

use super::App;
use super::advance::Held;
use crate::domain::execution::Values;
use crate::domain::machine::Failure;
use crate::domain::machine::action_of;
use crate::domain::playbook::{Command, Playbook};
use crate::domain::variable::Variables;
use crate::error::Error;
use secret::Secrets;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

/// How long a result is kept in hand while the database is away.
const PATIENCE: Duration = Duration::from_mins(10);

/// Is one command that this process has taken, with all it needs.
pub(crate) struct Call {
    pub(crate) step: Uuid,
    execution: Uuid,
    step_id: String,
    position: i32,
    command: Command,
    target: Option<Map<String, Value>>,
    agent: Map<String, Value>,
    /// The playbook, for its credentials.
    playbook: Arc<Playbook>,
    scope: Variables,
    deadline: Option<OffsetDateTime>,
    /// Is given back at the end.
    _hand: OwnedSemaphorePermit,
}

impl Call {
    /// Takes what the next command of a run of a step needs.
    pub(super) fn of(held: &Held, step: Uuid, hand: OwnedSemaphorePermit) -> Option<Self> {
        let run = held.execution.open(step)?;
        let action = action_of(held.playbook.steps.get(&run.step_id))?;
        let (command, target) = action.call(usize::try_from(run.position).ok()?)?;
        Some(Self {
            step,
            execution: held.execution.id,
            step_id: run.step_id.clone(),
            position: run.position,
            command: command.clone(),
            target: target.and_then(|id| held.playbook.targets.get(id)).cloned(),
            agent: held.playbook.agents.get(&action.agent).cloned().unwrap_or_default(),
            playbook: Arc::clone(&held.playbook),
            scope: held.execution.scope(step),
            deadline: run.deadline,
            _hand: hand,
        })
    }

    /// Names this one doing of the command, the same when it is repeated.
    fn key(&self) -> String {
        format!("{}.{}", self.step, self.position)
    }
}

impl App {
    /// Does a command and records what came of it.
    pub(crate) async fn call_command(&self, call: Call) {
        let now = self.clock.now();
        let left =
            call.deadline.map(|deadline| Duration::try_from(deadline - now).unwrap_or_default());
        let budget = left.unwrap_or(self.config.command_timeout).min(self.config.command_limit);
        let mut secrets = Secrets::new(self.config.secrets_dir.clone());
        let done = tokio::time::timeout(budget, self.perform(&call, &mut secrets)).await;
        let outcome = match done {
            Ok(Ok(values)) => Ok(secrets.masked(values)),
            Ok(Err(detail)) => Err(Failure::new(secrets.mask(&detail))),
            Err(_) => {
                let detail =
                    format!("the command did not end within {} seconds", budget.as_secs_f64());
                Err(Failure::timeout(&call.step_id, &detail))
            }
        };
        if let Err(failure) = &outcome {
            tracing::info!(execution.id = %call.execution, step.id = call.step_id, reason = failure.detail, "a command failed");
        }
        self.record_until(&call, &outcome).await;
        self.done(call.step);
    }

    async fn perform(&self, call: &Call, secrets: &mut Secrets) -> Result<Values, String> {
        match call.command.kind.as_str() {
            "http-api" | "openc2-http" => self.http.call(call, secrets, &self.config).await,
            "ssh" => ssh::call(call, secrets, &self.config).await,
            other => Err(format!(
                "commands of type {other:?} cannot be done here; there are manual, http-api, openc2-http, ssh and x-writ-action"
            )),
        }
    }

    /// Records the outcome; while the database is away it is tried again, for as long as the lease can be renewed
    /// later.
    async fn record_until(&self, call: &Call, outcome: &Result<Values, Failure>) {
        let record = async {
            let mut wait = Duration::from_millis(50);
            loop {
                let recorded = match self.record_call(call, outcome.clone()).await {
                    Err(error) => self.contain(call.execution, error).await,
                    recorded => recorded,
                };
                let Err(error) = recorded else { break };
                tracing::warn!(%error, step.id = call.step_id, "the outcome of a command cannot be recorded yet");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(2));
            }
        };
        if tokio::time::timeout(PATIENCE, record).await.is_err() {
            tracing::error!(step.id = call.step_id, "the outcome of a command is lost");
        }
    }

    async fn record_call(
        &self,
        call: &Call,
        outcome: Result<Values, Failure>,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let Some(held) = self.hold(conn, call.execution).await? else { return Ok(()) };
                self.advance(conn, held, now, |machine| {
                    machine.called(call.step, call.position, outcome);
                })
                .await
            })
            .await?;
        self.bus.wake();
        self.steps.notify_one();
        Ok(())
    }
}
