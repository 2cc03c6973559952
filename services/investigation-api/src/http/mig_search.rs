//! `/api/v1/search`, as MIG's clients know it (specs/mig/api.md §4): commands.

use super::{mig_commands, mig_number};
use crate::InvestigationApi;
use crate::app::Shown;
use crate::store::search::CommandFilter;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::Permission;
use web::{Collection, Investigator, Item, Origin, Problem, QueryValues, Values};

/// Says how far a search may leave rows out; further pages are reached through `/v1/actions/{id}/commands`.
const MAX_OFFSET: f64 = 1_000_000.0;
/// Says how many rows one answer holds at most, as `mig` asks for.
const MAX_ROWS: f64 = 1_000_000.0;

/// Finds commands by action, command, agent, status, time, and whether something was found.
#[utoipa::path(tag = "mig", params(("type" = String, Query), ("actionid" = Option<f64>, Query),
        ("commandid" = Option<f64>, Query), ("agentid" = Option<f64>, Query), ("status" = Option<String>, Query),
        ("foundanything" = Option<bool>, Query), ("after" = Option<String>, Query), ("before" = Option<String>, Query),
        ("limit" = Option<f64>, Query), ("offset" = Option<f64>, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 404)))]
#[get("/api/v1/search")]
pub(super) async fn search(
    service: Data<InvestigationApi>,
    origin: Data<Origin>,
    caller: Investigator,
    query: QueryValues,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    caller.require(Permission::Search)?;
    match query.first("type") {
        Some("command") => {}
        other => {
            let detail = format!(
                "type={} cannot be searched here; use type=command",
                other.unwrap_or("action")
            );
            return Err(Problem::malformed("search-type", detail));
        }
    }
    let filter = filter(&query)?;
    let limit = bounded("limit", query.first("limit"), 100.0, MAX_ROWS)?;
    let offset = bounded("offset", query.first("offset"), 0.0, MAX_OFFSET)?;
    let found = match filter {
        Some(filter) if limit > 0 => {
            service.app.mig_commands(&filter, offset, limit, Shown::Found).await?
        }
        _ => Vec::new(),
    };
    if found.is_empty() {
        return Err(Problem::not_found("no results found"));
    }
    let mut collection = Collection::new(origin.href(&request));
    for command in &found {
        let item = Item::new(mig_commands::href(&origin, command.id)).with("command", command);
        collection = collection.item(item);
    }
    collection.respond(StatusCode::OK)
}

/// Reads the filter; nothing when no row can match.
fn filter(query: &Values) -> Result<Option<CommandFilter>, Problem> {
    let mut filter = CommandFilter::default();
    let slots = [
        ("actionid", &mut filter.action),
        ("commandid", &mut filter.command),
        ("agentid", &mut filter.agent),
    ];
    for (name, slot) in slots {
        if let Some(number) = mig_number::optional(name, query.first(name))? {
            match mig_number::whole(number) {
                Some(number) => *slot = Some(number),
                None => return Ok(None),
            }
        }
    }
    filter.states = match query.first("status").map(str::to_lowercase).as_deref() {
        None | Some("" | "%") => None,
        Some("sent") => Some(vec!["waiting".into(), "delivered".into()]),
        Some(status) => Some(vec![status.into()]),
    };
    filter.found = match query.first("foundanything").map(str::to_lowercase).as_deref() {
        None | Some("") => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(other) => {
            let detail = format!("foundanything is '{other}'; it must be true or false");
            return Err(Problem::malformed("foundanything-invalid", detail));
        }
    };
    filter.after = instant("after", query.first("after"))?;
    filter.before = instant("before", query.first("before"))?;
    Ok(Some(filter))
}

fn instant(name: &str, value: Option<&str>) -> Result<Option<OffsetDateTime>, Problem> {
    let Some(value) = value.filter(|value| !value.is_empty()) else { return Ok(None) };
    OffsetDateTime::parse(value, &Rfc3339).map(Some).map_err(|error| {
        Problem::malformed("time-invalid", format!("{name} is not an RFC 3339 time: {error}"))
    })
}

fn bounded(name: &str, value: Option<&str>, default: f64, most: f64) -> Result<i64, Problem> {
    let number = mig_number::optional(name, value)?.unwrap_or(default);
    let fits = (0.0..=most).contains(&number);
    fits.then(|| mig_number::whole(number.trunc())).flatten().ok_or_else(|| {
        Problem::malformed("number-invalid", format!("{name} must be between 0 and {most:.0}"))
    })
}
