//! Takes what people answered.

use super::App;
use super::advance::Held;
use crate::domain::machine::{Effect, Failure, action_of};
use crate::domain::playbook::Manner;
use crate::error::Error;
use messaging::inbox;
use store::Conn;
use time::OffsetDateTime;
use types::Envelope;
use types::messages::manual::ManualOutcome;
use types::messages::{ManualAnswered, ManualExpired};
use uuid::Uuid;

const CONSUMER: &str = "scheduler.manual";

impl App {
    /// Takes the answer to a manual step. `first` tells whether its message was not waited with before: an unknown
    /// signer may be one whose key is still on its way.
    pub(crate) async fn answer_step(
        &self,
        event: &Envelope<ManualAnswered>,
        first: bool,
    ) -> Result<(), Error> {
        let ManualAnswered { step, execution_id, outcome, variables, answered_by, .. } =
            &event.data;
        let taken = match outcome {
            ManualOutcome::Success => Ok(variables.clone()),
            ManualOutcome::Failure => {
                Err(Failure::new(format!("{answered_by} answered with failure")))
            }
        };
        self.tell(event.id, execution_id.0, |held, now| {
            let signs = manner(held, step.0) == Some(Manner::Fleet);
            let taken = match taken {
                Ok(values) if signs => {
                    return match self.with_signatures(held, step.0, &values) {
                        Err(unsigned) if unsigned.unknown && first => {
                            Err(Error::NotYet("a signer is not known here yet"))
                        }
                        signed => Ok(self.turn(held, now, |machine| match signed {
                            Ok(document) => machine.signed(step.0, document),
                            Err(unsigned) => machine.unsigned(step.0, &unsigned.detail),
                        })),
                    };
                }
                taken => taken,
            };
            Ok(self.turn(held, now, |machine| machine.answered(step.0, taken)))
        })
        .await
    }

    /// Takes note that nobody answered a manual step in time.
    pub(crate) async fn expire_step(&self, event: &Envelope<ManualExpired>) -> Result<(), Error> {
        let ManualExpired { step, execution_id, .. } = event.data;
        self.tell(event.id, execution_id.0, |held, now| {
            let name =
                held.execution.open(step.0).map(|run| run.step_id.clone()).unwrap_or_default();
            let failure =
                Failure::timeout(&name, "manual response timed-out, no response received on time");
            Ok(self.turn(held, now, |machine| machine.answered(step.0, Err(failure))))
        })
        .await
    }

    /// Tells an execution of a message, once.
    pub(super) async fn tell(
        &self,
        message: Uuid,
        execution: Uuid,
        turn: impl FnOnce(&mut Held, OffsetDateTime) -> Result<Vec<Effect>, Error> + Send,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let told = self
            .store
            .tx(async move |conn: &mut Conn| -> Result<(), Error> {
                if inbox::admit(conn, CONSUMER, &[message], now).await?.is_empty() {
                    return Ok(());
                }
                let Some(mut held) = self.hold(conn, execution).await? else {
                    tracing::warn!(execution.id = %execution, "an answer to an execution that is not known");
                    return Ok(());
                };
                let effects = turn(&mut held, now)?;
                self.carry_out(conn, held, effects, now).await
            })
            .await;
        if let Err(error) = told {
            self.contain(execution, error).await?;
        }
        self.bus.wake();
        self.steps.notify_one();
        Ok(())
    }
}

fn manner(held: &Held, step: Uuid) -> Option<Manner> {
    let run = held.execution.open(step)?;
    action_of(held.playbook.steps.get(&run.step_id)).map(|action| action.manner)
}
