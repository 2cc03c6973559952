//! The scheduler asks for steps and withdraws them, in any order.

use super::App;
use crate::error::Error;
use crate::store::events::event_insert;
use crate::store::steps::{step_insert, step_withdraw};
use messaging::inbox;
use time::{Duration, OffsetDateTime};
use types::api::step::StepState;
use types::messages::{ManualRequested, ManualWithdrawn};
use uuid::Uuid;

impl App {
    /// Puts steps before people; those that were withdrawn before stay withdrawn.
    pub(crate) async fn take_requests(
        &self,
        consumer: &str,
        messages: &[(Uuid, ManualRequested)],
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let ids: Vec<Uuid> = messages.iter().map(|(id, _)| *id).collect();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let new = inbox::admit(conn, consumer, &ids, now).await?;
                // in one order, so that two processes cannot lock each other out
                let mut asked: Vec<_> =
                    messages.iter().filter(|(id, _)| new.contains(id)).collect();
                asked.sort_by_key(|(_, asked)| asked.step);
                for (_, asked) in asked {
                    let due = self.due(asked);
                    let assignee = asked.assignee.as_deref();
                    let assignee = assignee.and_then(|name| self.responder(name).ok());
                    let inserted = step_insert(conn, asked, due, assignee).await?;
                    let Some(step) = inserted else { continue };
                    let id = step.view.id;
                    event_insert(conn, id, asked.created, ("requested", ""), None).await?;
                    if step.view.state == StepState::Pending {
                        self.notify(conn, "step.new", &step.view, now).await?;
                    }
                }
                Ok(())
            })
            .await?;
        self.wake();
        Ok(())
    }

    /// Takes steps away from people, unless they ended before.
    pub(crate) async fn take_withdrawals(
        &self,
        consumer: &str,
        messages: &[(Uuid, ManualWithdrawn)],
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let ids: Vec<Uuid> = messages.iter().map(|(id, _)| *id).collect();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let new = inbox::admit(conn, consumer, &ids, now).await?;
                let mut gone: Vec<_> = messages.iter().filter(|(id, _)| new.contains(id)).collect();
                gone.sort_by_key(|(_, gone)| gone.step);
                for (_, gone) in gone {
                    if step_withdraw(conn, gone, now).await? {
                        let reason = crate::domain::text::clean(&gone.reason);
                        event_insert(conn, gone.step, now, ("cancelled", &reason), None).await?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// Says when people are reminded.
    fn due(&self, asked: &ManualRequested) -> OffsetDateTime {
        let whole = (asked.deadline - asked.created).max(Duration::ZERO);
        asked.deadline - whole * f64::from(100 - self.config.due_percent) / 100.0
    }
}
