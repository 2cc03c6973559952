//! `/v1/steps/notifications`: what people were told, what could not be delivered, and telling it again.

use super::query::{NotificationQuery, NotificationState};
use super::who::{Reader, Responder};
use crate::ManualInteraction;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post};
use types::api::Page;
use types::api::problem;
use types::api::step::StepNotification;
use uuid::Uuid;
use web::{PageQuery, Problem, Query};

/// Lists notifications, newest first.
#[utoipa::path(
    tag = "steps",
    params(NotificationQuery),
    responses((status = 200, body = Page<StepNotification>), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/steps/notifications")]
pub(super) async fn list(
    _reader: Reader,
    service: Data<ManualInteraction>,
    query: Query<NotificationQuery>,
) -> Result<HttpResponse, Problem> {
    let NotificationQuery { state, limit, cursor } = query.into_inner();
    let page = PageQuery::new(limit, cursor);
    let state = state.map(|state| match state {
        NotificationState::Waiting => "waiting",
        NotificationState::Sent => "sent",
        NotificationState::Dead => "dead",
    });
    let (before, rows) = (page.after()?.unwrap_or(i64::MAX), page.rows()?);
    let rows = service.app.list_notifications(state, before, rows).await?;
    let Page { items, next } = page.page(rows, |row| row.seq)?;
    let items: Vec<StepNotification> = items.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(Page { items, next }))
}

/// Sends a notification again, with the same event id.
#[utoipa::path(
    tag = "steps",
    params(("id" = Uuid, Path)),
    responses((status = 200, body = StepNotification), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/steps/notifications/{id}/replay")]
pub(super) async fn replay(
    _responder: Responder,
    service: Data<ManualInteraction>,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    let again = service.app.replay_notification(id.into_inner()).await?;
    Ok(HttpResponse::Ok().json(StepNotification::from(again)))
}
