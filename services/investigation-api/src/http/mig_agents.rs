//! `/api/v1/agent` and `/api/v1/dashboard`, as MIG's clients know them (specs/mig/api.md §3.5, §3.9).

use super::mig_actions;
use super::who::{ReadAgents, ReadDashboard};
use crate::InvestigationApi;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use types::AgentId;
use web::{Collection, Item, Origin, Permitted, Problem, QueryValues, mig_number};

/// Shows one agent.
#[utoipa::path(tag = "mig", params(("agentid" = f64, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[get("/api/v1/agent")]
pub(super) async fn show(
    service: Data<InvestigationApi>,
    origin: Data<Origin>,
    _caller: Permitted<ReadAgents>,
    query: QueryValues,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = query.first("agentid");
    let id = mig_number::id("agentid", "Agent", asked)?;
    let agent = service.app.mig_agent(id).await?;
    let agent = agent.ok_or_else(|| mig_number::not_found("Agent", asked.unwrap_or_default()))?;
    let item = Item::new(href(&origin, agent.id)).with("agent", &agent);
    Collection::new(origin.href(&request)).item(item).respond(StatusCode::OK)
}

/// Shows how the fleet stands and the ten newest actions.
#[utoipa::path(tag = "mig", responses((status = 200), (status = 401), (status = 503)))]
#[get("/api/v1/dashboard")]
pub(super) async fn dashboard(
    service: Data<InvestigationApi>,
    origin: Data<Origin>,
    _caller: Permitted<ReadDashboard>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (stats, actions) = service.app.dashboard().await?;
    let mut collection = Collection::new(origin.href(&request));
    if let Some(stats) = stats {
        let item = Item::new(origin.link("/api/v1/dashboard"))
            .with("online agents", &stats.online_agents)
            .with("online agents by version", &stats.online_by_version)
            .with("online endpoints", &stats.online_endpoints)
            .with("idle agents", &stats.idle_agents)
            .with("idle agents by version", &stats.idle_by_version)
            .with("idle endpoints", &stats.idle_endpoints)
            .with("new endpoints", &stats.new_endpoints)
            .with("endpoints running 2 or more agents", &stats.multi_agents)
            .with("disappeared endpoints", &stats.disappeared)
            .with("flapping endpoints", &stats.flapping);
        collection = collection.item(item);
    }
    for action in actions {
        let item = Item::new(mig_actions::href(&origin, action.id)).with("action", &action);
        collection = collection.item(item);
    }
    collection.respond(StatusCode::OK)
}

/// Gives the address of an agent.
pub(super) fn href(origin: &Origin, id: AgentId) -> String {
    origin.link(&format!("/api/v1/agent?agentid={id}"))
}
