//! Shows steps.

use super::App;
use crate::error::Error;
use crate::store::events::events_of;
use crate::store::notifications::{Notification, notification_replay, notifications_page};
use crate::store::steps::{
    Place, Step, Wanted, pending_places, step_current, step_find, steps_at, steps_page,
    steps_places, steps_soonest,
};
use store::portion::{MOST_ROWS, fitting};
use types::api::Page;
use types::api::step::{StepDetail, StepState, StepView};
use types::{ExecutionId, StepRunId};
use uuid::Uuid;

/// Says how many of the latest events of a step are shown.
const HISTORY: i64 = 500;
/// Says how many bytes of steps are read at once, where there is more than one: read, they take some times as much.
const MOST_BYTES: i64 = 2 << 20;

impl App {
    /// Gives some of the steps that wait, oldest first, from above `after` on, each with its place: as many as are read at
    /// once, none when there are none.
    pub(crate) async fn list_pending(&self, after: i64) -> Result<Vec<Step>, Error> {
        let now = self.clock.now();
        let rows = i64::try_from(MOST_ROWS).unwrap_or(i64::MAX);
        let mut conn = self.store.get().await?;
        let places = pending_places(&mut conn, now, after, rows).await?;
        Ok(steps_at(&mut conn, first(&places)).await?)
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

    /// Lists the steps that wait in brief, those with the nearest deadline first.
    pub(crate) async fn list_soonest(&self, limit: i64) -> Result<Vec<Step>, Error> {
        let mut conn = self.store.get().await?;
        Ok(steps_soonest(&mut conn, self.clock.now(), limit).await?)
    }

    /// Lists steps with their content, newest first: at most `limit`, and fewer where they are large.
    pub(crate) async fn list_steps(
        &self,
        wanted: &Wanted,
        before: i64,
        limit: i64,
    ) -> Result<Page<StepView>, Error> {
        let mut conn = self.store.get().await?;
        let places = steps_places(&mut conn, wanted, before, limit + 1).await?;
        let most = usize::try_from(limit).unwrap_or_default().min(first(&places).len());
        let cut = store::page::cut(places, most, |place| place.seq);
        let (places, next) = cut.map_err(|error| Error::Internal(error.into()))?;
        let steps = steps_at(&mut conn, &places).await?;
        Ok(Page { items: steps.into_iter().rev().map(|step| step.view).collect(), next })
    }

    /// Lists steps in brief, newest first.
    pub(crate) async fn list_brief(
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

/// Gives those of these places that are read at once.
fn first(places: &[Place]) -> &[Place] {
    let fit = fitting(MOST_BYTES, places.iter().map(|place| place.size));
    places.get(..fit).unwrap_or(places)
}
