//! `/api/v1/action`, as MIG's clients know it (specs/mig/api.md §3.6, §3.7).

use super::who::{CreateActions, ReadActions};
use crate::InvestigationApi;
use crate::app::Reach;
use crate::domain::audit::Actor;
use crate::error::Error;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use types::{Action, ActionId, instant};
use web::{Collection, Form, Item, Origin, Peer, Permitted, Problem, QueryValues, mig_number};

/// Accepts a signed action; form field `action`.
#[utoipa::path(tag = "mig", request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 202), (status = 400), (status = 401), (status = 503)))]
#[post("/api/v1/action/create/")]
pub(super) async fn create(
    service: Data<InvestigationApi>,
    origin: Data<Origin>,
    caller: Permitted<CreateActions>,
    peer: Peer,
    form: Form,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let document = form.first("action").unwrap_or_default();
    let accepted = service
        .app
        .accept_action(caller.0.id, &Actor::caller(&caller.0, peer.0), document, None, Reach::May)
        .await
        .map_err(|error| match error {
            Error::Signature(fault) => Problem::malformed("signature-invalid", fault.mig_text()),
            error => error.into(),
        })?;
    let action = Action {
        id: accepted.id,
        status: "pending".into(),
        starttime: instant::JUST_POSTED,
        lastupdatetime: instant::JUST_POSTED,
        finishtime: instant::JUST_POSTED_FAR,
        ..accepted.action
    };
    let item =
        Item::new(href(&origin, accepted.id)).with(format!("action ID {}", accepted.id), &action);
    Collection::new(origin.href(&request)).item(item).respond(StatusCode::ACCEPTED)
}

/// Shows one action with its counters and signers, linked to its commands.
#[utoipa::path(tag = "mig", params(("actionid" = f64, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[get("/api/v1/action")]
pub(super) async fn show(
    service: Data<InvestigationApi>,
    origin: Data<Origin>,
    _caller: Permitted<ReadActions>,
    query: QueryValues,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = query.first("actionid");
    let id = ActionId(mig_number::id("actionid", "Action", asked)?);
    let action = service.app.mig_action(id).await?;
    let action =
        action.ok_or_else(|| mig_number::not_found("Action", asked.unwrap_or_default()))?;
    let commands = origin.link(&format!("/api/v1/search?type=command&actionid={id}&limit=100"));
    let item = Item::new(href(&origin, id)).with("action", &action).link("commands", commands);
    Collection::new(origin.href(&request)).item(item).respond(StatusCode::OK)
}

/// Gives the address of an action.
pub(super) fn href(origin: &Origin, id: ActionId) -> String {
    origin.link(&format!("/api/v1/action?actionid={id}"))
}
