//! `/v1/actions/{id}/pause` and `/resume`.

use super::who::CreateActions;
use crate::InvestigationApi;
use crate::app::Steer;
use crate::domain::audit::Actor;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, post};
use auth::Caller;
use types::ActionId;
use types::api::action::ActionView;
use types::api::problem::Problem as ProblemBody;
use web::{Peer, Permitted, Problem};

/// Pauses an action: none of its commands are given out any more until it is resumed; what was given out goes on.
///
/// One whose commands are all given out cannot be paused; cancel it.
#[utoipa::path(tag = "actions", params(("id" = i64, Path, description = "the action's number")), responses(
    (status = 202, body = ActionView),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[post("/v1/actions/{id}/pause")]
pub(super) async fn pause(
    service: Data<InvestigationApi>,
    caller: Permitted<CreateActions>,
    peer: Peer,
    id: Path<i64>,
) -> Result<HttpResponse, Problem> {
    steer(&service, &caller.0, peer, ActionId(*id), Steer::Pause).await
}

/// Lets a paused action go on, one that was stopped by its own rule too: what failed until now no longer counts against
/// it.
#[utoipa::path(tag = "actions", params(("id" = i64, Path, description = "the action's number")), responses(
    (status = 202, body = ActionView),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[post("/v1/actions/{id}/resume")]
pub(super) async fn resume(
    service: Data<InvestigationApi>,
    caller: Permitted<CreateActions>,
    peer: Peer,
    id: Path<i64>,
) -> Result<HttpResponse, Problem> {
    steer(&service, &caller.0, peer, ActionId(*id), Steer::Resume).await
}

async fn steer(
    service: &InvestigationApi,
    caller: &Caller,
    peer: Peer,
    id: ActionId,
    wanted: Steer,
) -> Result<HttpResponse, Problem> {
    service.app.steer_action(id, wanted, caller.id, &Actor::caller(caller, peer.0)).await?;
    Ok(HttpResponse::Accepted().json(service.app.show_action(id).await?))
}
