//! `/api/v1/search`, as MIG's clients know it (specs/mig/api.md §4).

use super::{mig_actions, mig_commands};
use crate::InvestigationApi;
use crate::app::Found;
use crate::domain::search::Search;
use crate::error::Error;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use types::Permission;
use web::{Collection, Investigator, Item, Origin, Problem, QueryValues};

const TYPES: [&str; 6] = ["action", "agent", "command", "investigator", "loader", "manifest"];
/// Says from how many rows on an answer is written beside the event loops.
const MANY: usize = 500;

/// Finds actions, agents, commands, investigators, loaders or manifests.
#[utoipa::path(tag = "mig", params(
        ("type" = Option<String>, Query, description = "action (default), agent, command, investigator, loader, manifest"),
        ("actionid" = Option<f64>, Query), ("agentid" = Option<f64>, Query), ("commandid" = Option<f64>, Query),
        ("investigatorid" = Option<f64>, Query), ("actionname" = Option<String>, Query),
        ("agentname" = Option<String>, Query), ("agentversion" = Option<String>, Query),
        ("investigatorname" = Option<String>, Query), ("threatfamily" = Option<String>, Query),
        ("status" = Option<String>, Query), ("foundanything" = Option<bool>, Query),
        ("target" = Option<String>, Query), ("after" = Option<String>, Query), ("before" = Option<String>, Query),
        ("limit" = Option<f64>, Query), ("offset" = Option<f64>, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 404)))]
#[get("/api/v1/search")]
pub(super) async fn find(
    service: Data<InvestigationApi>,
    origin: Data<Origin>,
    caller: Investigator,
    query: QueryValues,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.require(Permission::Search)?;
    let href = origin.href(&request);
    let (search, fault) = Search::read(|name| query.first(name), service.app.clock.now());
    let refuse = |status, message: String| {
        Collection::new(href.as_str())
            .item(Item::new(href.as_str()).with("search parameters", &search))
            .error(message)
            .respond(status)
    };
    if let Some(fault) = fault {
        return refuse(StatusCode::BAD_REQUEST, format!("parseSearchParameters()-> {fault}"));
    }
    if !TYPES.contains(&search.kind.as_str()) {
        return refuse(StatusCode::BAD_REQUEST, "search type is invalid".into());
    }
    let found = match service.app.search(&search).await {
        Ok(found) => found,
        Err(Error::Invalid { pointer, detail, .. }) => {
            return refuse(StatusCode::BAD_REQUEST, format!("{pointer}: {detail}"));
        }
        Err(error) => return Err(error.into()),
    };
    if found.is_empty() {
        return refuse(StatusCode::NOT_FOUND, "no results found".into());
    }
    if found.len() < MANY {
        return answer(&origin, &href, &search, found).respond(StatusCode::OK);
    }
    let body = web::cpu(move || answer(&origin, &href, &search, found).encode()).await??;
    // the headers are those of every answer of this dialect
    Ok(HttpResponse::Ok()
        .insert_header(("content-type", "application/json"))
        .insert_header(("cache-control", "no-cache"))
        .body(body))
}

impl Found {
    fn len(&self) -> usize {
        match self {
            Self::Actions(rows) => rows.len(),
            Self::Commands(rows) => rows.len(),
            Self::Agents(rows) => rows.len(),
            Self::Investigators(rows) => rows.len(),
            Self::Nothing => 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn answer(origin: &Origin, href: &str, search: &Search, found: Found) -> Collection {
    let items: Vec<Item> = match found {
        Found::Actions(rows) => {
            let item = |row| Item::new(mig_actions::href(origin, row_id(row))).with("action", row);
            rows.iter().map(item).collect()
        }
        Found::Commands(rows) => {
            let item = |row: &types::command::Command| {
                Item::new(mig_commands::href(origin, row.id)).with("command", row)
            };
            rows.iter().map(item).collect()
        }
        Found::Agents(rows) => {
            let item = |row: &types::Agent| {
                Item::new(origin.link(&format!("/api/v1/agent?agentid={}", row.id)))
                    .with("agent", row)
            };
            rows.iter().map(item).collect()
        }
        Found::Investigators(rows) => {
            let item = |row: &types::investigator::Investigator| {
                let id = row.id.unwrap_or(types::InvestigatorId(0));
                Item::new(origin.link(&format!("/api/v1/investigator?investigatorid={id}")))
                    .with("investigator", row)
            };
            rows.iter().map(item).collect()
        }
        Found::Nothing => Vec::new(),
    };
    let mut collection = items.into_iter().fold(Collection::new(href), Collection::item);
    if let Some(pagination) = search.pagination(|path| origin.link(path)) {
        collection = collection.item(Item::new(href).with("pagination", &pagination));
    }
    collection.item(Item::new(href).with("search parameters", search))
}

fn row_id(action: &types::Action) -> types::ActionId {
    action.id
}
