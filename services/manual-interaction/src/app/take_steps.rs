//! The scheduler asks for steps and withdraws them, in any order.

use super::App;
use crate::domain::text::clean;
use crate::error::Error;
use crate::store::events::{Event, events_insert};
use crate::store::steps::{step_insert, steps_withdraw};
use messaging::inbox;
use std::collections::BTreeMap;
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
                let mut steps = Vec::with_capacity(asked.len());
                for (_, asked) in asked {
                    let due = self.due(asked);
                    let assignee = asked.assignee.as_deref();
                    let assignee = assignee.and_then(|name| self.responder(name).ok());
                    steps.extend(step_insert(conn, asked, due, assignee).await?);
                }
                let requested: Vec<_> = steps
                    .iter()
                    .map(|step| Event {
                        step: step.view.id,
                        at: step.view.created,
                        what: "requested",
                        text: "",
                    })
                    .collect();
                events_insert(conn, &requested).await?;
                let mut wait: Vec<_> = steps.iter().map(|step| &step.view).collect();
                wait.retain(|step| step.state == StepState::Pending);
                self.notify(conn, "step.new", &wait, now).await
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
                let gone = messages.iter().filter(|(id, _)| new.contains(id));
                // in one order, as above, and each once
                let gone: BTreeMap<_, _> = gone.map(|(_, gone)| (gone.step, gone)).collect();
                let all: Vec<_> = gone.values().copied().collect();
                let withdrawn = steps_withdraw(conn, &all, now).await?;
                let reasons: Vec<_> = withdrawn
                    .iter()
                    .filter_map(|step| Some((*step, clean(&gone.get(step)?.reason))))
                    .collect();
                let cancelled: Vec<_> = reasons
                    .iter()
                    .map(|(step, reason)| Event {
                        step: *step,
                        at: now,
                        what: "cancelled",
                        text: reason,
                    })
                    .collect();
                Ok(events_insert(conn, &cancelled).await?)
            })
            .await
    }

    /// Says when people are reminded.
    fn due(&self, asked: &ManualRequested) -> OffsetDateTime {
        let whole = (asked.deadline - asked.created).max(Duration::ZERO);
        asked.deadline - whole * f64::from(100 - self.config.due_percent) / 100.0
    }
}
