//! `/v1/actions`: plain JSON.

use super::query::CommandQuery;
use super::who::{CreateActions, ReadActions, ReadCommands};
use crate::InvestigationApi;
use crate::app::Reach;
use crate::domain::audit::Actor;
use crate::domain::dispatch;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, http::StatusCode, post};
use types::ActionId;
use types::api::Page;
use types::api::action::{ActionView, CommandView};
use types::api::problem::Problem as ProblemBody;
use web::{Body, PageQuery, Peer, Permitted, Problem, Query};

/// Accepts a signed action: the MIG action JSON as body.
///
/// The member `dispatch` beside those of the document says how the commands are given out:
/// `{"rate_per_second": 50, "waves": [1, 10, 100, "all"], "stop_when": {"failed_ratio": 0.1, "timeouts": 5}}`. It is
/// part of the request and not of what is signed; without it all are given out at once.
///
/// One that would reach no agent now, or needs a module that no agent has, is refused. The same document posted again
/// within its validity answers 200 with the action there is, and runs once.
#[utoipa::path(tag = "actions", request_body = Object, responses(
    (status = 202, body = ActionView), (status = 200, body = ActionView),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[post("/v1/actions")]
pub(super) async fn create(
    service: Data<InvestigationApi>,
    caller: Permitted<CreateActions>,
    peer: Peer,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let document = std::str::from_utf8(&body.0).map_err(|error| {
        let at = error.valid_up_to();
        Problem::malformed("action-not-utf8", format!("the body is not UTF-8 from byte {at} on"))
    })?;
    let dispatch = dispatch::read(document)?;
    let accepted = service
        .app
        .accept_action(
            caller.0.id,
            &Actor::caller(&caller.0, peer.0),
            document,
            dispatch,
            Reach::Must,
        )
        .await?;
    let view = service.app.show_action(accepted.id).await?;
    let status = if accepted.new { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(view))
}

/// Lists actions, the newest first.
#[utoipa::path(tag = "actions", params(PageQuery), responses(
    (status = 200, body = Page<ActionView>),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[get("/v1/actions")]
pub(super) async fn list(
    service: Data<InvestigationApi>,
    _caller: Permitted<ReadActions>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let rows = service.app.list_actions(query.after()?, query.rows()?).await?;
    Ok(HttpResponse::Ok().json(query.page(rows, |row| row.id)?))
}

/// Shows an action with the counters of its commands.
#[utoipa::path(tag = "actions", params(("id" = i64, Path, description = "the action's number")), responses(
    (status = 200, body = ActionView),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[get("/v1/actions/{id}")]
pub(super) async fn show(
    service: Data<InvestigationApi>,
    _caller: Permitted<ReadActions>,
    id: Path<i64>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(service.app.show_action(ActionId(*id)).await?))
}

/// Lists the commands of an action with what came back.
///
/// A page has fewer rows than the limit where their results are large: `next` says where the others are.
#[utoipa::path(tag = "actions", params(
    ("id" = i64, Path, description = "the action's number"), CommandQuery), responses(
    (status = 200, body = Page<CommandView>),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[get("/v1/actions/{id}/commands")]
pub(super) async fn commands(
    service: Data<InvestigationApi>,
    _caller: Permitted<ReadCommands>,
    id: Path<i64>,
    wanted: Query<CommandQuery>,
) -> Result<HttpResponse, Problem> {
    let CommandQuery { status, limit, cursor } = wanted.into_inner();
    let query = PageQuery::new(limit, cursor);
    let (action, status) = (ActionId(*id), status.as_deref());
    let page = service.app.list_commands(action, status, query.after()?, query.limit()?).await?;
    Ok(HttpResponse::Ok().json(page))
}

/// Withdraws an action: its open commands end as cancelled; one that is over stays as it is.
#[utoipa::path(tag = "actions", params(("id" = i64, Path, description = "the action's number")), responses(
    (status = 202, body = ActionView),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[post("/v1/actions/{id}/cancel")]
pub(super) async fn cancel(
    service: Data<InvestigationApi>,
    caller: Permitted<CreateActions>,
    peer: Peer,
    id: Path<i64>,
) -> Result<HttpResponse, Problem> {
    let id = ActionId(*id);
    service.app.cancel_action(id, caller.0.id, &Actor::caller(&caller.0, peer.0)).await?;
    Ok(HttpResponse::Accepted().json(service.app.show_action(id).await?))
}
