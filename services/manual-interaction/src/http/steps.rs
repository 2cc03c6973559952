//! `/v1/steps`: manual steps as plain JSON.

use super::query::StepQuery;
use super::who::{Reader, Responder};
use crate::ManualInteraction;
use crate::domain::answer::{Answer, Given};
use crate::store::steps::Wanted;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post};
use types::StepRunId;
use types::api::Page;
use types::api::problem;
use types::api::step::{StepAnswer, StepAssignment, StepComment, StepDetail, StepView};
use web::{Json, PageQuery, Problem, Query};

/// Lists steps, newest first; a page has fewer than `limit` where they are large.
#[utoipa::path(
    tag = "steps",
    params(StepQuery),
    responses((status = 200, body = Page<StepView>), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/steps")]
pub(super) async fn list(
    _reader: Reader,
    service: Data<ManualInteraction>,
    query: Query<StepQuery>,
) -> Result<HttpResponse, Problem> {
    let StepQuery { state, execution_id, playbook_id, step_id, assignee, limit, cursor } =
        query.into_inner();
    let page = PageQuery::new(limit, cursor);
    let wanted = Wanted { state, execution_id, playbook_id, step_id, assignee };
    let (before, limit) = (page.after()?.unwrap_or(i64::MAX), page.limit()?);
    Ok(HttpResponse::Ok().json(service.app.list_steps(&wanted, before, limit).await?))
}

/// Shows one step with its history.
#[utoipa::path(
    tag = "steps",
    params(("id" = StepRunId, Path)),
    responses((status = 200, body = StepDetail), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/steps/{id}")]
pub(super) async fn read(
    _reader: Reader,
    service: Data<ManualInteraction>,
    id: Path<StepRunId>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(service.app.show_step(id.into_inner()).await?))
}

/// Takes a step that is nobody else's.
#[utoipa::path(
    tag = "steps",
    params(("id" = StepRunId, Path)),
    responses((status = 200, body = StepView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/steps/{id}/claim")]
pub(super) async fn claim(
    responder: Responder,
    service: Data<ManualInteraction>,
    id: Path<StepRunId>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(service.app.claim_step(id.into_inner(), &responder.0).await?))
}

/// Gives a step back.
#[utoipa::path(
    tag = "steps",
    params(("id" = StepRunId, Path)),
    responses((status = 200, body = StepView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/steps/{id}/release")]
pub(super) async fn release(
    responder: Responder,
    service: Data<ManualInteraction>,
    id: Path<StepRunId>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(service.app.release_step(id.into_inner(), &responder.0).await?))
}

/// Says who is asked, whoever was.
#[utoipa::path(
    tag = "steps",
    params(("id" = StepRunId, Path)),
    request_body = StepAssignment,
    responses((status = 200, body = StepView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/steps/{id}/assign")]
pub(super) async fn assign(
    responder: Responder,
    service: Data<ManualInteraction>,
    id: Path<StepRunId>,
    body: Json<StepAssignment>,
) -> Result<HttpResponse, Problem> {
    let step = service.app.assign_step(id.into_inner(), &body.assignee, &responder.0).await?;
    Ok(HttpResponse::Ok().json(step))
}

/// Adds a comment.
#[utoipa::path(
    tag = "steps",
    params(("id" = StepRunId, Path)),
    request_body = StepComment,
    responses((status = 200, body = StepView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/steps/{id}/comments")]
pub(super) async fn comment(
    responder: Responder,
    service: Data<ManualInteraction>,
    id: Path<StepRunId>,
    body: Json<StepComment>,
) -> Result<HttpResponse, Problem> {
    let step = service.app.comment_step(id.into_inner(), &body.text, &responder.0).await?;
    Ok(HttpResponse::Ok().json(step))
}

/// Answers a step.
#[utoipa::path(
    tag = "steps",
    params(("id" = StepRunId, Path)),
    request_body = StepAnswer,
    responses((status = 200, body = StepView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/steps/{id}/answer")]
pub(super) async fn answer(
    responder: Responder,
    service: Data<ManualInteraction>,
    id: Path<StepRunId>,
    body: Json<StepAnswer>,
) -> Result<HttpResponse, Problem> {
    let StepAnswer { outcome, variables } = body.into_inner();
    let variables = variables
        .into_iter()
        .map(|(name, value)| (name, Given { kind: None, value: Some(value) }))
        .collect();
    let given = Answer { outcome, variables, place: "/variables" };
    let step = service.app.answer_step(id.into_inner(), &given, &responder.0).await?;
    Ok(HttpResponse::Ok().json(step))
}
