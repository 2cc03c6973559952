//! `/agent/v1`: Writ's own agents describe themselves and fetch plugins.

use super::who::Agent;
use crate::AgentGateway;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, put};
use serde::Serialize;
use types::PluginId;
use types::api::plugin::{PluginDocument, PluginView};
use types::api::problem;
use types::api::work::AgentReport;
use utoipa::ToSchema;
use web::{Json, Problem};

/// Is what an agent may run.
#[derive(Debug, Serialize, ToSchema)]
struct AssignedPlugins {
    /// The plugins assigned to the agent.
    items: Vec<PluginView>,
}

/// Takes how an agent describes itself: at its start, and when something changed.
#[utoipa::path(
    tag = "agent",
    security(("bearer" = [])),
    request_body = AgentReport,
    responses((status = 204, description = "Stored"), (status = "4XX", body = problem::Problem))
)]
#[put("/agent/v1/self")]
pub(super) async fn describe(
    Agent(agent, report): Agent<Json<AgentReport>>,
    gateway: Data<AgentGateway>,
) -> Result<HttpResponse, Problem> {
    gateway.app.describe_agent(agent, report.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lists the plugins that are assigned to the asking agent.
#[utoipa::path(
    tag = "agent",
    security(("bearer" = [])),
    responses((status = 200, body = AssignedPlugins), (status = "4XX", body = problem::Problem))
)]
#[get("/agent/v1/plugins")]
pub(super) async fn plugins(
    Agent(agent, ()): Agent,
    gateway: Data<AgentGateway>,
) -> Result<HttpResponse, Problem> {
    let items = gateway.app.list_plugins_of(agent).await?;
    Ok(HttpResponse::Ok().json(AssignedPlugins { items }))
}

/// Gives a plugin with its source to an agent that it is assigned to.
#[utoipa::path(
    tag = "agent",
    security(("bearer" = [])),
    params(("id" = PluginId, Path)),
    responses((status = 200, body = PluginDocument), (status = "4XX", body = problem::Problem))
)]
#[get("/agent/v1/plugins/{id}")]
pub(super) async fn plugin(
    Agent(agent, id): Agent<Path<PluginId>>,
    gateway: Data<AgentGateway>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(gateway.app.fetch_plugin(id.into_inner(), agent).await?))
}
