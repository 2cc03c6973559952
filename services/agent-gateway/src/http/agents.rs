//! `/v1/agents`: people look at agents and change them.

use super::query::AgentQuery;
use super::who::{Reader, Writer};
use crate::AgentGateway;
use crate::domain::agent::Agent;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, delete, get, patch, post, put};
use types::api::agent::{AgentPatch, AgentView, NewAgent};
use types::api::{Page, problem};
use types::{AgentId, AgentUid, PluginId};
use web::{Json, PageQuery, Problem, Query};

/// Lists the agents by number, revoked ones too.
#[utoipa::path(
    tag = "agents",
    params(AgentQuery),
    responses((status = 200, body = Page<AgentView>), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/agents")]
pub(super) async fn list(
    _reader: Reader,
    gateway: Data<AgentGateway>,
    query: Query<AgentQuery>,
) -> Result<HttpResponse, Problem> {
    let AgentQuery { team_id, limit, cursor } = query.into_inner();
    let page = PageQuery::new(limit, cursor);
    let after = page.after::<AgentId>()?.unwrap_or(AgentId(0));
    let rows = gateway.app.list_agents(team_id, after, page.rows()?).await?;
    let rows: Vec<AgentView> = rows.into_iter().map(Agent::view).collect();
    Ok(HttpResponse::Ok().json(page.page(rows, |row| row.number)?))
}

/// Makes an agent that is known by its address, where agents are known so.
#[utoipa::path(
    tag = "agents",
    request_body = NewAgent,
    responses((status = 201, body = AgentView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/agents")]
pub(super) async fn add(
    writer: Writer,
    gateway: Data<AgentGateway>,
    agent: Json<NewAgent>,
) -> Result<HttpResponse, Problem> {
    let agent = gateway.app.add_agent(agent.into_inner(), writer.0.id).await?;
    Ok(HttpResponse::Created().json(agent.view()))
}

/// Shows one agent.
#[utoipa::path(
    tag = "agents",
    params(("id" = AgentUid, Path)),
    responses((status = 200, body = AgentView), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/agents/{id}")]
pub(super) async fn read(
    _reader: Reader,
    gateway: Data<AgentGateway>,
    id: Path<AgentUid>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(gateway.app.read_agent(id.into_inner()).await?.view()))
}

/// Renames, labels or moves an agent.
#[utoipa::path(
    tag = "agents",
    params(("id" = AgentUid, Path)),
    request_body = AgentPatch,
    responses((status = 200, body = AgentView), (status = "4XX", body = problem::Problem))
)]
#[patch("/v1/agents/{id}")]
pub(super) async fn change(
    _writer: Writer,
    gateway: Data<AgentGateway>,
    id: Path<AgentUid>,
    patch: Json<AgentPatch>,
) -> Result<HttpResponse, Problem> {
    let agent = gateway.app.change_agent(id.into_inner(), patch.into_inner()).await?;
    Ok(HttpResponse::Ok().json(agent.view()))
}

/// Revokes an agent: its tokens are dead at once, the commands it has not answered fail.
#[utoipa::path(
    tag = "agents",
    params(("id" = AgentUid, Path)),
    responses((status = 204, description = "Revoked"), (status = "4XX", body = problem::Problem))
)]
#[delete("/v1/agents/{id}")]
pub(super) async fn revoke(
    _writer: Writer,
    gateway: Data<AgentGateway>,
    id: Path<AgentUid>,
) -> Result<HttpResponse, Problem> {
    gateway.app.revoke_agent(id.into_inner()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Replaces the plugins of an agent.
#[utoipa::path(
    tag = "agents",
    params(("id" = AgentUid, Path)),
    request_body = Vec<PluginId>,
    responses((status = 200, body = AgentView), (status = "4XX", body = problem::Problem))
)]
#[put("/v1/agents/{id}/plugins")]
pub(super) async fn assign(
    _writer: Writer,
    gateway: Data<AgentGateway>,
    id: Path<AgentUid>,
    plugins: Json<Vec<PluginId>>,
) -> Result<HttpResponse, Problem> {
    let agent = gateway.app.assign_plugins(id.into_inner(), plugins.into_inner()).await?;
    Ok(HttpResponse::Ok().json(agent.view()))
}
