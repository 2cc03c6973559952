//! `/v1/loaders`: plain JSON.

use super::who::{CreateLoaders, ReadLoaders, ReplaceKeys};
use crate::LoaderManifest;
use crate::store::loaders::LoaderRow;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, patch, post};
use types::api::Page;
use types::api::loader::{KeyedLoader, LoaderPatch, LoaderView, NewLoader};
use types::api::problem::Problem as ProblemBody;
use types::{LoaderId, ManifestId, Permission};
use web::{Investigator, Json, PageQuery, Permitted, Problem, Query};

/// Lists loaders by number.
#[utoipa::path(tag = "loaders", params(PageQuery), responses(
    (status = 200, body = Page<LoaderView>),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[get("/v1/loaders")]
pub(super) async fn list(
    service: Data<LoaderManifest>,
    _caller: Permitted<ReadLoaders>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let rows = service.app.list_loaders(query.after()?.unwrap_or_default(), query.rows()?).await?;
    let Page { items, next } = query.page(rows, |row| row.id)?;
    let items: Vec<LoaderView> = items.into_iter().map(view).collect();
    Ok(HttpResponse::Ok().json(Page { items, next }))
}

/// Creates a disabled loader; its key is shown this once.
#[utoipa::path(tag = "loaders", request_body = NewLoader, responses(
    (status = 201, body = KeyedLoader),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[post("/v1/loaders")]
pub(super) async fn create(
    service: Data<LoaderManifest>,
    caller: Permitted<CreateLoaders>,
    new: Json<NewLoader>,
) -> Result<HttpResponse, Problem> {
    let (row, secret) = service.app.create_loader(caller.0.id, &new.name, &new.expect_env).await?;
    Ok(HttpResponse::Created().json(keyed(row, &secret)))
}

/// Shows a loader.
#[utoipa::path(tag = "loaders", params(("id" = i64, Path, description = "the loader's number")), responses(
    (status = 200, body = LoaderView),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[get("/v1/loaders/{id}")]
pub(super) async fn show(
    service: Data<LoaderManifest>,
    _caller: Permitted<ReadLoaders>,
    id: Path<i64>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(view(service.app.show_loader(LoaderId(*id)).await?)))
}

/// Enables or disables a loader, or says what its host must be like; counts from its next request on.
#[utoipa::path(tag = "loaders", params(("id" = i64, Path, description = "the loader's number")), request_body = LoaderPatch,
    responses((status = 200, body = LoaderView),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[patch("/v1/loaders/{id}")]
pub(super) async fn change(
    service: Data<LoaderManifest>,
    caller: Investigator,
    id: Path<i64>,
    patch: Json<LoaderPatch>,
) -> Result<HttpResponse, Problem> {
    let id = LoaderId(*id);
    if patch.enabled.is_some() || patch.expect_env.is_none() {
        caller.require(Permission::LoaderStatus)?;
    }
    if patch.expect_env.is_some() {
        caller.require(Permission::LoaderExpect)?;
    }
    let row = service.app.change_loader(&caller, id, &patch).await?;
    Ok(HttpResponse::Ok().json(view(row)))
}

/// Replaces a loader's key, but for its prefix; the new one is shown this once.
#[utoipa::path(tag = "loaders", params(("id" = i64, Path, description = "the loader's number")), responses(
    (status = 200, body = KeyedLoader),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[post("/v1/loaders/{id}/key")]
pub(super) async fn replace_key(
    service: Data<LoaderManifest>,
    caller: Permitted<ReplaceKeys>,
    id: Path<i64>,
) -> Result<HttpResponse, Problem> {
    let (row, secret) = service.app.rekey_loader(caller.0.id, LoaderId(*id)).await?;
    Ok(HttpResponse::Ok().json(keyed(row, &secret)))
}

fn keyed(row: LoaderRow, secret: &str) -> KeyedLoader {
    let key = format!("{}{secret}", row.key_prefix);
    KeyedLoader { loader: view(row), key }
}

fn view(row: LoaderRow) -> LoaderView {
    LoaderView {
        id: row.id(),
        name: row.loader_name,
        prefix: row.key_prefix,
        enabled: row.enabled,
        expect_env: row.expect_env,
        agent_name: row.name,
        queueloc: row.queueloc,
        environment: serde_json::from_value(row.environment.unwrap_or_default())
            .unwrap_or_default(),
        tags: serde_json::from_value(row.tags.unwrap_or_default()).unwrap_or_default(),
        last_seen: row.last_seen,
        manifest_id: row.manifest_id.map(ManifestId),
        created: row.created,
    }
}
