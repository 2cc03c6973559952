//! Shows steps.

use super::App;
use crate::error::Error;
use crate::store::events::events_of;
use crate::store::notifications::{Notification, notification_replay, notifications_page};
use crate::store::steps::{
    Step, Wanted, step_current, step_find, steps_page, steps_pending, steps_soonest,
};
use types::api::step::{StepDetail, StepState, StepView};
use types::{ExecutionId, StepRunId};
use uuid::Uuid;

/// Says how many of the latest events of a step are shown.
const HISTORY: i64 = 500;
/// Says how many steps SOARCA's list shows at most, which knows no pages.
const MOST_PENDING: usize = 10_000;
/// Says how many rows one statement reads.
const AT_ONCE: i64 = 500;

impl App {
    /// Gives all steps that wait, oldest first.
    pub(crate) async fn list_pending(&self) -> Result<Vec<StepView>, Error> {
        let now = self.clock.now();
        let mut conn = self.store.get().await?;
        let mut all = Vec::new();
        let mut after = 0;
        loop {
            let page = steps_pending(&mut conn, now, after, AT_ONCE).await?;
            let Some(last) = page.last().map(|step| step.seq) else { return Ok(all) };
            after = last;
            all.extend(page.into_iter().map(|step| step.view));
            if all.len() >= MOST_PENDING {
                return Ok(all);
            }
        }
    }

    /// Gives the step that waits under SOARCA's key.
    pub(crate) async fn find_current(
        &self,
        execution: ExecutionId,
        step_id: &str,
    ) -> Result<StepView, Error> {
        let now = self.clock.now();
        let mut conn = self.store.get().await?;
        let found = step_current(&mut conn, execution, step_id).await?;
        found
            .map(|step| step.view)
            .filter(|view| view.state == StepState::Pending && view.deadline > now)
            .ok_or(Error::NotFound("pending manual command"))
    }

    /// Gives one run of a step.
    pub(crate) async fn find_step(&self, id: StepRunId) -> Result<Step, Error> {
        let mut conn = self.store.get().await?;
        step_find(&mut conn, id).await?.ok_or(Error::NotFound("step"))
    }

    /// Gives one run of a step with its history.
    pub(crate) async fn show_step(&self, id: StepRunId) -> Result<StepDetail, Error> {
        let mut conn = self.store.get().await?;
        let step = step_find(&mut conn, id).await?.ok_or(Error::NotFound("step"))?;
        Ok(StepDetail { step: step.view, events: events_of(&mut conn, id, HISTORY).await? })
    }

    /// Lists the steps that wait, those with the nearest deadline first.
    pub(crate) async fn list_soonest(&self, limit: i64) -> Result<Vec<Step>, Error> {
        let mut conn = self.store.get().await?;
        Ok(steps_soonest(&mut conn, self.clock.now(), limit).await?)
    }

    /// Lists steps, newest first.
    pub(crate) async fn list_steps(
        &self,
        wanted: &Wanted,
        before: i64,
        limit: i64,
    ) -> Result<Vec<Step>, Error> {
        let mut conn = self.store.get().await?;
        Ok(steps_page(&mut conn, wanted, before, limit).await?)
    }

    /// Lists notifications, newest first.
    pub(crate) async fn list_notifications(
        &self,
        state: Option<&str>,
        before: i64,
        limit: i64,
    ) -> Result<Vec<Notification>, Error> {
        let mut conn = self.store.get().await?;
        Ok(notifications_page(&mut conn, state, before, limit).await?)
    }

    /// Sends a notification again, whatever became of it.
    pub(crate) async fn replay_notification(&self, id: Uuid) -> Result<Notification, Error> {
        let mut conn = self.store.get().await?;
        let again = notification_replay(&mut conn, id, self.clock.now()).await?;
        drop(conn);
        self.to_tell.notify_one();
        again.ok_or(Error::NotFound("notification"))
    }
}
