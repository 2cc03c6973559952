//! `POST /v1/actions/preview`.

use super::who::ReadAgents;
use crate::InvestigationApi;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use types::api::action::{Preview, PreviewRequest};
use types::api::problem::Problem as ProblemBody;
use web::{Json, Permitted, Problem};

/// Says how many agents a target reaches now and names the first ten.
#[utoipa::path(tag = "actions", request_body = PreviewRequest, responses(
    (status = 200, body = Preview),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[post("/v1/actions/preview")]
pub(super) async fn preview(
    service: Data<InvestigationApi>,
    _caller: Permitted<ReadAgents>,
    request: Json<PreviewRequest>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(service.app.preview_target(&request.target).await?))
}
