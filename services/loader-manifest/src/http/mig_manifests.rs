//! `/api/v1/manifest`, as MIG's clients know it (specs/mig/api.md §3.18–3.22).

use super::content::{Content, mark};
use super::held::Held;
use super::mig_agent::ok;
use super::mig_loaders;
use super::who::{CreateManifests, ListLoaders, ReadManifests, SetManifestStatus, Sign};
use crate::LoaderManifest;
use crate::app::{Candidate, Whole};
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use types::loader::{LoaderEntry, ManifestRecord};
use types::{ManifestId, ManifestStatus};
use web::{Collection, Form, Item, Origin, Permitted, Problem, QueryValues, Values, mig_number};

/// Says how many bytes a posted manifest may have, as in the original.
const LARGEST: usize = 20 << 20;

/// Shows one manifest with its content and signatures.
#[utoipa::path(tag = "mig", params(("manifestid" = f64, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[get("/api/v1/manifest")]
pub(super) async fn show(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    _caller: Permitted<ReadManifests>,
    query: QueryValues,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    record(service, &origin, &query, &request).await
}

/// Shows one manifest under the address that MIG documents and never answered.
#[utoipa::path(tag = "mig", params(("manifestid" = f64, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[get("/api/v1/manifest/")]
pub(super) async fn show_documented(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    _caller: Permitted<ReadManifests>,
    query: QueryValues,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    record(service, &origin, &query, &request).await
}

async fn record(
    service: Data<LoaderManifest>,
    origin: &Origin,
    query: &Values,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let id = id(query)?;
    let Whole { manifest, archive, signatures, .. } = service.app.show_manifest(id).await?;
    let archive = archive
        .ok_or_else(|| Problem::internal(anyhow::anyhow!("manifest {id} has no archive")))?;
    let lines: Vec<_> = signatures.into_iter().map(|signature| signature.line).collect();
    let mark = mark();
    let record = ManifestRecord {
        id,
        name: manifest.name,
        content: mark.clone(),
        timestamp: manifest.created,
        status: manifest.status.name().into(),
        target: manifest.target,
        signatures: Some(lines).filter(|lines| !lines.is_empty()),
    };
    let href = origin.link(&format!("/api/v1/manifest?manifestid={id}"));
    let item = Item::new(href).with("manifest", &record);
    let document = Collection::new(origin.href(request)).item(item).encode()?;
    Content::new(service, id, &archive)?.within(ok(), &document, &mark)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Posted {
    name: Option<String>,
    target: Option<String>,
    status: Option<String>,
    content: Option<String>,
}

/// Creates a staged manifest; form field `manifest` (JSON) with the archive in base64.
#[utoipa::path(tag = "mig", request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 201), (status = 400), (status = 401), (status = 413), (status = 503)))]
#[post("/api/v1/manifest/new/")]
pub(super) async fn create(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    caller: Permitted<CreateManifests>,
    form: Held<Form<LARGEST>, LARGEST>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let invalid = |detail: &str| Problem::malformed("manifest-invalid", detail);
    let Held(form, _room) = form;
    let document = form.first("manifest").unwrap_or_default();
    if document.is_empty() {
        return Err(invalid("no manifest record specified in form"));
    }
    let posted: Posted = mig_loaders::read(document, "manifest-not-json")?;
    drop(form);
    if ManifestStatus::parse(posted.status.as_deref().unwrap_or_default()).is_none() {
        return Err(invalid("manifest has invalid status"));
    }
    let mut content = posted.content.unwrap_or_default();
    if content.is_empty() {
        return Err(invalid("manifest record has no content"));
    }
    // Go's decoder passes over line ends
    content.retain(|c| !matches!(c, '\r' | '\n'));
    let archive = STANDARD
        .decode(&content)
        .map_err(|error| invalid(&format!("the manifest's content is not base64: {error}")))?;
    drop(content);
    let (name, target) = (posted.name.unwrap_or_default(), posted.target.unwrap_or_default());
    let candidate = Candidate { name: &name, target: &target, expires: None, archive };
    service.app.create_manifest(caller.0.id, candidate).await?;
    Collection::new(origin.href(&request)).respond(StatusCode::CREATED)
}

/// Takes the caller's signature of a manifest; form fields `manifestid`, `signature`.
#[utoipa::path(tag = "mig", request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 409), (status = 503)))]
#[post("/api/v1/manifest/sign/")]
pub(super) async fn sign(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    caller: Permitted<Sign>,
    form: Form<262_144>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let signature = form.first("signature").unwrap_or_default();
    service.app.sign_manifest(&caller.0, id(&form)?, signature).await?;
    Collection::new(origin.href(&request)).respond(StatusCode::OK)
}

/// Sets a manifest's status; form fields `manifestid`, `status`: `staged` forgets the signatures, `active` counts them
/// anew, `disabled` is final.
#[utoipa::path(tag = "mig", request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 409), (status = 503)))]
#[post("/api/v1/manifest/status/")]
pub(super) async fn set_status(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    caller: Permitted<SetManifestStatus>,
    form: Form<65_536>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let status = ManifestStatus::parse(form.first("status").unwrap_or_default());
    let status = status.ok_or_else(|| {
        let detail = "Invalid status specified, must be disabled or staged";
        Problem::malformed("status-invalid", detail)
    })?;
    service.app.set_manifest_status(caller.0.id, id(&form)?, status).await?;
    Collection::new(origin.href(&request)).respond(StatusCode::OK)
}

/// Shows the enabled loaders that a manifest is for.
#[utoipa::path(tag = "mig", params(("manifestid" = f64, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[get("/api/v1/manifest/loaders/")]
pub(super) async fn loaders(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    _caller: Permitted<ListLoaders>,
    query: QueryValues,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let mut collection = Collection::new(origin.href(&request));
    for row in service.app.match_loaders(id(&query)?).await? {
        let whole = mig_loaders::entry(row);
        let shown = LoaderEntry { prefix: String::new(), expectenv: String::new(), ..whole };
        let item = Item::new(mig_loaders::href(&origin, shown.id)).with("loader", &shown);
        collection = collection.item(item);
    }
    collection.respond(StatusCode::OK)
}

fn id(values: &Values) -> Result<ManifestId, Problem> {
    mig_number::id("manifestid", "Manifest", values.first("manifestid")).map(ManifestId)
}
