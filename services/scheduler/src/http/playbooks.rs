//! `/v1/playbooks`: versions, byte for byte as they came.

use super::view::{self, BODY};
use super::who::{Reader, Writer};
use crate::Scheduler;
use crate::app::Versions;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, delete, get, post};
use serde::Deserialize;
use time::OffsetDateTime;
use types::api::playbook::PlaybookView;
use types::api::{Page, problem};
use web::{Body, PageQuery, Problem, Query};

/// Stores a playbook; the same id with another `modified` is another version, the same document again changes nothing.
#[utoipa::path(
    tag = "playbooks",
    request_body(content = Object, content_type = "application/json"),
    responses((status = 201, body = PlaybookView), (status = 200, body = PlaybookView, description = "It was there"),
        (status = "4XX", body = problem::Problem))
)]
#[post("/v1/playbooks")]
pub(super) async fn store(
    writer: Writer,
    service: Data<Scheduler>,
    body: Body<BODY>,
) -> Result<HttpResponse, Problem> {
    let (playbook, document) = view::read(body.0).await?;
    let (row, new) =
        service.app.keep_playbook(&playbook, &document, Versions::Join, writer.0).await?;
    let mut answer = if new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(view::playbook(row, None)))
}

/// Lists all versions of all playbooks, oldest first.
#[utoipa::path(
    tag = "playbooks",
    params(PageQuery),
    responses((status = 200, body = Page<PlaybookView>), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/playbooks")]
pub(super) async fn list(
    _reader: Reader,
    service: Data<Scheduler>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let rows =
        service.app.list_playbooks(query.after()?.unwrap_or_default(), query.rows()?).await?;
    let Page { items, next } = query.page(rows, |row| row.number)?;
    let items = items.into_iter().map(|row| view::playbook(row, None)).collect();
    Ok(HttpResponse::Ok().json(Page::<PlaybookView> { items, next }))
}

/// Says which version is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    #[serde(default, with = "time::serde::rfc3339::option")]
    version: Option<OffsetDateTime>,
}

/// Shows a playbook: its newest version, or the one that was modified at `version`.
#[utoipa::path(
    tag = "playbooks",
    params(("id" = String, Path, description = "the CACAO id"),
        ("version" = Option<String>, Query, description = "the `modified` of the version")),
    responses((status = 200, body = PlaybookView), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/playbooks/{id}")]
pub(super) async fn show(
    _reader: Reader,
    service: Data<Scheduler>,
    id: Path<String>,
    version: Query<Version>,
) -> Result<HttpResponse, Problem> {
    let (row, document) = service.app.show_playbook(&id, version.version).await?;
    let document = serde_json::from_str(&document).map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().json(view::playbook(row, Some(document))))
}

/// Gives the document byte for byte as it came, so that its signatures can be checked.
#[utoipa::path(
    tag = "playbooks",
    params(("id" = String, Path, description = "the CACAO id"),
        ("version" = Option<String>, Query, description = "the `modified` of the version")),
    responses((status = 200, body = Object), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/playbooks/{id}/document")]
pub(super) async fn download(
    _reader: Reader,
    service: Data<Scheduler>,
    id: Path<String>,
    version: Query<Version>,
) -> Result<HttpResponse, Problem> {
    let (_, document) = service.app.show_playbook(&id, version.version).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body(document))
}

/// Deletes all versions of a playbook, or the one that was modified at `version`; executions go on with theirs.
#[utoipa::path(
    tag = "playbooks",
    params(("id" = String, Path, description = "the CACAO id"),
        ("version" = Option<String>, Query, description = "the `modified` of the version")),
    responses((status = 204, description = "Deleted"), (status = "4XX", body = problem::Problem))
)]
#[delete("/v1/playbooks/{id}")]
pub(super) async fn delete(
    _writer: Writer,
    service: Data<Scheduler>,
    id: Path<String>,
    version: Query<Version>,
) -> Result<HttpResponse, Problem> {
    service.app.delete_playbook(&id, version.version).await?;
    Ok(HttpResponse::NoContent().finish())
}
