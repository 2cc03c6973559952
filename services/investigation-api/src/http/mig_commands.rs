//! `/api/v1/command`, as MIG's clients know it (specs/mig/api.md §3.8).

use super::mig_actions;
use super::who::ReadCommands;
use crate::InvestigationApi;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use types::CommandId;
use web::{Collection, Item, Origin, Permitted, Problem, QueryValues, mig_number};

/// Shows one command with its results.
#[utoipa::path(tag = "mig", params(("commandid" = f64, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[get("/api/v1/command")]
pub(super) async fn show(
    service: Data<InvestigationApi>,
    origin: Data<Origin>,
    _caller: Permitted<ReadCommands>,
    query: QueryValues,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = query.first("commandid");
    let id = mig_number::id("commandid", "Command", asked)?;
    let found = service.app.mig_command(CommandId(id)).await?;
    let command =
        found.ok_or_else(|| mig_number::not_found("Command", asked.unwrap_or_default()))?;
    let item = Item::new(href(&origin, command.id))
        .with("command", &command)
        .link("action", mig_actions::href(&origin, command.action.id));
    Collection::new(origin.href(&request)).item(item).respond(StatusCode::OK)
}

/// Gives the address of a command.
pub(super) fn href(origin: &Origin, id: CommandId) -> String {
    origin.link(&format!("/api/v1/command?commandid={id}"))
}
