//! `/v1/manifests`: plain JSON, and archives as they are.

use super::content::Content;
use super::held::Held;
use super::query::{ManifestQuery, RolloutQuery};
use super::who::{CreateManifests, ListLoaders, ReadManifests, SetManifestStatus, Sign};
use crate::LoaderManifest;
use crate::app::{Candidate, Whole};
use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post};
use serde::Deserialize;
use time::OffsetDateTime;
use types::api::Page;
use types::api::manifest::{
    ManifestFile, ManifestSignature, ManifestView, NewSignature, Rollout, RolloutItem, StatusChange,
};
use types::api::problem::Problem as ProblemBody;
use types::{LoaderId, ManifestId, ManifestStatus};
use web::{Body, Json, PageQuery, Permitted, Problem, Query};

/// Says how many bytes an archive may have.
const LARGEST: usize = 96 << 20;

/// Lists manifests, the newest first.
#[utoipa::path(tag = "manifests", params(ManifestQuery), responses(
    (status = 200, body = Page<ManifestView>),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[get("/v1/manifests")]
pub(super) async fn list(
    service: Data<LoaderManifest>,
    _caller: Permitted<ReadManifests>,
    wanted: Query<ManifestQuery>,
) -> Result<HttpResponse, Problem> {
    let ManifestQuery { status, limit, cursor } = wanted.into_inner();
    let query = PageQuery::new(limit, cursor);
    let before = query.after()?.unwrap_or(i64::MAX);
    let all = [ManifestStatus::Staged, ManifestStatus::Active, ManifestStatus::Disabled];
    let states = status.as_ref().map_or(all.as_slice(), std::slice::from_ref);
    let rows = service.app.list_manifests(states, before, query.rows()?).await?;
    let Page { items, next } = query.page(rows, |whole| whole.manifest.id)?;
    let required = service.app.required();
    let items: Vec<ManifestView> = items.into_iter().map(|whole| view(whole, required)).collect();
    Ok(HttpResponse::Ok().json(Page { items, next }))
}

/// Says what a new manifest is called and for whom it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    name: String,
    target: String,
    #[serde(default, with = "time::serde::rfc3339::option")]
    expires: Option<OffsetDateTime>,
}

/// Creates a staged manifest out of a gzip'd tar archive, which is the body.
///
/// An archive that holds nothing but the file `writ-rollback`, with the digest of an older manifest of the same name in
/// it, is an order to go back: once it is active, the loaders it is for are given that older one.
#[utoipa::path(tag = "manifests", request_body(content = Vec<u8>, content_type = "application/gzip"), params(
    ("name" = String, Query, description = "1–256 characters; a newer manifest of the same name takes the place of an older"),
    ("target" = String, Query, description = "which loaders it is for"),
    ("expires" = Option<String>, Query, description = "RFC 3339; from then on nobody is given it")), responses(
    (status = 201, body = ManifestView),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[post("/v1/manifests")]
pub(super) async fn create(
    service: Data<LoaderManifest>,
    caller: Permitted<CreateManifests>,
    new: Query<New>,
    body: Held<Body<LARGEST>, LARGEST>,
) -> Result<HttpResponse, Problem> {
    let Held(body, _room) = body;
    let archive = Vec::from(body.0);
    let candidate =
        Candidate { name: &new.name, target: &new.target, expires: new.expires, archive };
    let made = service.app.create_manifest(caller.0.id, candidate).await?;
    Ok(HttpResponse::Created().json(shown(&service, made.id).await?))
}

/// Shows a manifest with its files and signers.
#[utoipa::path(tag = "manifests", params(("id" = i64, Path, description = "the manifest's number")), responses(
    (status = 200, body = ManifestView),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[get("/v1/manifests/{id}")]
pub(super) async fn show(
    service: Data<LoaderManifest>,
    _caller: Permitted<ReadManifests>,
    id: Path<i64>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(shown(&service, ManifestId(*id)).await?))
}

/// Gives the archive as it came, so that who signs can look at what is signed.
#[utoipa::path(tag = "manifests", params(("id" = i64, Path, description = "the manifest's number")), responses(
    (status = 200, body = Vec<u8>, content_type = "application/gzip"),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[get("/v1/manifests/{id}/content")]
pub(super) async fn download(
    service: Data<LoaderManifest>,
    _caller: Permitted<ReadManifests>,
    id: Path<i64>,
) -> Result<HttpResponse, Problem> {
    let id = ManifestId(*id);
    let archive = service.app.show_manifest(id).await?.archive;
    let archive = archive
        .ok_or_else(|| Problem::internal(anyhow::anyhow!("manifest {id} has no archive")))?;
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CONTENT_TYPE, "application/gzip"));
    Ok(Content::new(service, id, &archive)?.plain(answer))
}

/// Takes the caller's signature; a manifest that has as many signers as it needs is active.
#[utoipa::path(tag = "manifests", params(("id" = i64, Path, description = "the manifest's number")),
    request_body = NewSignature, responses(
    (status = 200, body = ManifestView),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[post("/v1/manifests/{id}/signatures")]
pub(super) async fn sign(
    service: Data<LoaderManifest>,
    caller: Permitted<Sign>,
    id: Path<i64>,
    new: Json<NewSignature>,
) -> Result<HttpResponse, Problem> {
    let id = ManifestId(*id);
    service.app.sign_manifest(&caller.0, id, &new.signature).await?;
    Ok(HttpResponse::Ok().json(shown(&service, id).await?))
}

/// Sets the status: `staged` forgets all signatures, `active` counts the signers anew, `disabled` is final.
#[utoipa::path(tag = "manifests", params(("id" = i64, Path, description = "the manifest's number")),
    request_body = StatusChange, responses(
    (status = 200, body = ManifestView),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[post("/v1/manifests/{id}/status")]
pub(super) async fn set_status(
    service: Data<LoaderManifest>,
    caller: Permitted<SetManifestStatus>,
    id: Path<i64>,
    change: Json<StatusChange>,
) -> Result<HttpResponse, Problem> {
    let id = ManifestId(*id);
    service.app.set_manifest_status(caller.0.id, id, change.status).await?;
    Ok(HttpResponse::Ok().json(shown(&service, id).await?))
}

/// Shows which loaders have taken a manifest, which are behind, which failed, and for which it is over.
///
/// Of an order to go back it shows how far loaders are with the manifest that it leads to.
#[utoipa::path(tag = "manifests", params(("id" = i64, Path, description = "the manifest's number"),
    RolloutQuery), responses(
    (status = 200, body = Rollout),
    (status = "4XX", body = ProblemBody), (status = 503, body = ProblemBody)))]
#[get("/v1/manifests/{id}/rollout")]
pub(super) async fn rollout(
    service: Data<LoaderManifest>,
    _caller: Permitted<ListLoaders>,
    id: Path<i64>,
    wanted: Query<RolloutQuery>,
) -> Result<HttpResponse, Problem> {
    let RolloutQuery { state, limit, cursor } = wanted.into_inner();
    let query = PageQuery::new(limit, cursor);
    let (id, state, after) =
        (ManifestId(*id), state.as_deref(), query.after()?.unwrap_or_default());
    let (counts, rows) = service.app.show_rollout(id, state, after, query.rows()?).await?;
    let Page { items, next } = query.page(rows, |row| row.id)?;
    let items = items.into_iter().map(|row| RolloutItem {
        loader_id: LoaderId(row.id),
        name: row.loader_name,
        agent_name: row.name,
        last_seen: row.last_seen,
        state: row.state,
        current: row.current,
        offered: row.offered,
        changed: row.changed,
    });
    let items = items.collect();
    Ok(HttpResponse::Ok().json(Rollout { counts: counts.into_iter().collect(), items, next }))
}

async fn shown(service: &LoaderManifest, id: ManifestId) -> Result<ManifestView, Problem> {
    Ok(view(service.app.show_manifest(id).await?, service.app.required()))
}

fn view(whole: Whole, signers_required: usize) -> ManifestView {
    let Whole { manifest, archive, files, signatures, signers } = whole;
    let files = files.into_iter().map(|file| ManifestFile {
        name: file.name,
        size: file.size,
        sha256: file.sha256,
    });
    let signatures = signatures.into_iter().map(|signature| ManifestSignature {
        investigator_id: signature.signer,
        signed: signature.signed,
    });
    ManifestView {
        id: manifest.id,
        name: manifest.name,
        target: manifest.target,
        status: manifest.status,
        created: manifest.created,
        created_by: manifest.created_by,
        expires: manifest.expires,
        digest: manifest.digest,
        rollback_to: manifest.rollback_to,
        archive_size: archive.map_or(0, |archive| archive.size),
        files: files.collect(),
        signatures: signatures.collect(),
        signers,
        signers_required,
    }
}
