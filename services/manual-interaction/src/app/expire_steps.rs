//! Time passes: steps become due, and then it is too late.

use super::App;
use crate::error::Error;
use crate::store::events::{Event, events_insert};
use crate::store::notifications::notifications_count;
use crate::store::steps::{Person, Step, steps_count, steps_due, steps_expire, steps_purge};
use opentelemetry::metrics::Gauge;
use opentelemetry::{KeyValue, global};
use std::sync::LazyLock;
use time::{Duration, OffsetDateTime};
use types::api::step::StepView;
use types::messages::ManualExpired;

/// Says how many steps one transaction ends.
const AT_ONCE: i64 = 200;

static PENDING: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("manual-interaction")
        .i64_gauge("writ.manual.steps.pending")
        .with_description("Manual steps that wait for people")
        .build()
});

static AGE: LazyLock<Gauge<f64>> = LazyLock::new(|| {
    global::meter("manual-interaction")
        .f64_gauge("writ.manual.steps.age")
        .with_unit("s")
        .with_description("How long the first manual step waits that nobody has answered")
        .build()
});

static NOTIFICATIONS: LazyLock<Gauge<i64>> = LazyLock::new(|| {
    global::meter("manual-interaction")
        .i64_gauge("writ.manual.notifications")
        .with_description("Notifications that wait, or that could not be delivered for 24 hours")
        .build()
});

impl App {
    /// Ends every step that nobody answered in time.
    pub async fn expire_steps(&self) -> Result<(), Error> {
        loop {
            let now = self.clock.now();
            let ended = self
                .store
                .tx(async |conn| -> Result<usize, Error> {
                    let ended = steps_expire(conn, now, AT_ONCE).await?;
                    let told: Vec<_> = ended
                        .iter()
                        .map(|step| ManualExpired {
                            step: step.view.id,
                            execution_id: step.view.execution_id,
                            at: now,
                        })
                        .collect();
                    self.bus.put_all(conn, now, &told).await?;
                    events_insert(conn, &events(&ended, now, "expired", "")).await?;
                    self.notify(conn, "step.expired", &views(&ended), now).await?;
                    Ok(ended.len())
                })
                .await?;
            if ended == 0 {
                return Ok(());
            }
            tracing::info!(steps = ended, "expired");
            self.wake();
        }
    }

    /// Reminds people of every step whose time is nearly over, and asks the next one up.
    pub async fn remind(&self) -> Result<(), Error> {
        let to = self.config.escalate_to.as_deref();
        let person = to.map(|name| Person { name, id: self.responder(name).ok() });
        loop {
            let now = self.clock.now();
            let due = self
                .store
                .tx(async |conn| -> Result<usize, Error> {
                    let due = steps_due(conn, now, person, AT_ONCE).await?;
                    if let Some(to) = to {
                        events_insert(conn, &events(&due, now, "escalated", to)).await?;
                    }
                    self.notify(conn, "step.due", &views(&due), now).await?;
                    Ok(due.len())
                })
                .await?;
            if due == 0 {
                return Ok(());
            }
            self.wake();
        }
    }

    /// Measures what waits.
    pub async fn measure(&self) -> Result<(), Error> {
        let mut conn = self.store.get().await?;
        let (pending, first) = steps_count(&mut conn).await?;
        PENDING.record(pending, &[]);
        let age = first.map_or(0.0, |first| (self.clock.now() - first).as_seconds_f64());
        AGE.record(age.max(0.0), &[]);
        for state in ["waiting", "dead"] {
            let count = notifications_count(&mut conn, state).await?;
            NOTIFICATIONS.record(count, &[KeyValue::new("state", state)]);
        }
        Ok(())
    }

    /// Forgets steps that ended long ago.
    pub async fn purge(&self) -> Result<(), Error> {
        let days = self.config.retention_steps;
        if days == 0 {
            return Ok(());
        }
        let before = self.clock.now() - Duration::days(days.into());
        let mut conn = self.store.get().await?;
        let mut removed = AT_ONCE;
        while removed >= AT_ONCE {
            let count = steps_purge(&mut conn, before, AT_ONCE).await?;
            removed = i64::try_from(count).unwrap_or(0);
        }
        Ok(())
    }
}

/// Says that the same happened to all.
fn events<'a>(steps: &[Step], at: OffsetDateTime, what: &'a str, text: &'a str) -> Vec<Event<'a>> {
    steps.iter().map(|step| Event { step: step.view.id, at, what, text }).collect()
}

fn views(steps: &[Step]) -> Vec<&StepView> {
    steps.iter().map(|step| &step.view).collect()
}
