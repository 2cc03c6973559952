//! `POST /v1/actions/preview`.

use crate::InvestigationApi;
use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use types::Permission;
use types::api::action::{Preview, PreviewRequest};
use types::api::problem::Problem as ProblemBody;
use web::{Investigator, Json, Problem};

/// Says how many agents a target reaches now and names the first ten.
#[utoipa::path(tag = "actions", request_body = PreviewRequest, responses(
    (status = 200, body = Preview),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[post("/v1/actions/preview")]
pub(super) async fn preview(
    service: Data<InvestigationApi>,
    caller: Investigator,
    request: Json<PreviewRequest>,
) -> Result<HttpResponse, Problem> {
    caller.require(Permission::Agent)?;
    Ok(HttpResponse::Ok().json(service.app.preview_target(&request.target).await?))
}
