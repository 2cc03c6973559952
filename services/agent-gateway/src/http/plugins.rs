//! `/v1/plugins`: people publish what agents run.

use super::who::{Reader, Writer};
use crate::AgentGateway;
use crate::domain::plugin::Checked;
use crate::error::Error;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post};
use types::PluginId;
use types::api::plugin::{NewPlugin, NewPluginSignature, PluginView};
use types::api::{Page, problem};
use uuid::Uuid;
use web::{Json, PageQuery, Problem, Query};

/// A script of 1 MiB is at most six times as long in JSON.
const BODY: usize = 7 << 20;

/// Publishes a plugin; it never changes, a change is another plugin.
#[utoipa::path(
    tag = "plugins",
    request_body = NewPlugin,
    responses((status = 201, body = PluginView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/plugins")]
pub(super) async fn publish(
    writer: Writer,
    gateway: Data<AgentGateway>,
    plugin: Json<NewPlugin, BODY>,
) -> Result<HttpResponse, Problem> {
    let plugin = plugin.into_inner();
    let plugin = web::cpu(move || Checked::of(plugin)).await?.map_err(Error::Invalid)?;
    let view = gateway.app.publish_plugin(plugin, writer.0.id).await?;
    Ok(HttpResponse::Created().json(view))
}

/// Adds a signature of an investigator over the plugin's hash; agents may be set to run no plugin without one.
#[utoipa::path(
    tag = "plugins",
    params(("id" = PluginId, Path)),
    request_body = NewPluginSignature,
    responses((status = 201, body = PluginView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/plugins/{id}/signatures")]
pub(super) async fn sign(
    _writer: Writer,
    gateway: Data<AgentGateway>,
    id: Path<PluginId>,
    signature: Json<NewPluginSignature, { 64 << 10 }>,
) -> Result<HttpResponse, Problem> {
    let signature = signature.into_inner().signature;
    let view = gateway.app.sign_plugin(id.into_inner(), signature).await?;
    Ok(HttpResponse::Created().json(view))
}

/// Lists the plugins, oldest first.
#[utoipa::path(
    tag = "plugins",
    params(PageQuery),
    responses((status = 200, body = Page<PluginView>), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/plugins")]
pub(super) async fn list(
    _reader: Reader,
    gateway: Data<AgentGateway>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let after = query.after::<Uuid>()?.unwrap_or_default();
    let rows = gateway.app.list_plugins(after, query.rows()?).await?;
    Ok(HttpResponse::Ok().json(query.page(rows, |row| row.id)?))
}

/// Shows one plugin without its source.
#[utoipa::path(
    tag = "plugins",
    params(("id" = PluginId, Path)),
    responses((status = 200, body = PluginView), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/plugins/{id}")]
pub(super) async fn read(
    _reader: Reader,
    gateway: Data<AgentGateway>,
    id: Path<PluginId>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(gateway.app.read_plugin(id.into_inner()).await?))
}
