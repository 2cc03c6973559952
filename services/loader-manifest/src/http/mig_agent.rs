//! What `mig-loader` asks (specs/mig/loader.md §3, §4).

use super::content::{Content, mark};
use super::loader_key::Shown;
use crate::LoaderManifest;
use crate::app::Answer;
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, post};
use serde::Serialize;
use web::{Collection, Form, Item, Origin, Problem};

/// Is the list that a loader verifies; its JSON with an empty loader name and no signatures is what was signed.
#[derive(Serialize)]
struct Manifest<'a> {
    loader_name: &'a str,
    entries: Vec<Entry<'a>>,
    signatures: Vec<&'a str>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    sha256: &'a str,
}

#[derive(Serialize)]
struct Fetched<'a> {
    data: &'a str,
}

/// Gives a loader the manifest that is for its host; form field `parameters`, header `X-LOADERKEY`.
#[utoipa::path(tag = "mig", security(("loaderkey" = [])),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[post("/api/v1/manifest/agent/")]
pub(super) async fn agent(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    shown: Shown,
    form: Form<262_144>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let parameters = form.first("parameters").unwrap_or_default();
    let Answer { loader_name, manifest } = service.app.answer_loader(&shown.0, parameters).await?;
    let entries = manifest.files.iter();
    let value = Manifest {
        loader_name: &loader_name,
        entries: entries.map(|file| Entry { name: &file.name, sha256: &file.sha256 }).collect(),
        signatures: manifest.signatures.iter().map(|signature| signature.line.as_str()).collect(),
    };
    let item = Item::new(request.uri().to_string()).with("manifest", &value);
    Collection::new(origin.href(&request)).item(item).respond(StatusCode::OK)
}

/// Gives a loader one file, gzip'd, in base64; form field `parameters` with `object`, header `X-LOADERKEY`.
#[utoipa::path(tag = "mig", security(("loaderkey" = [])),
    request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[post("/api/v1/manifest/fetch/")]
pub(super) async fn fetch(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    shown: Shown,
    form: Form<262_144>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let parameters = form.first("parameters").unwrap_or_default();
    let (manifest, file) = service.app.open_file(&shown.0, parameters).await?;
    let mark = mark();
    let item = Item::new(request.uri().to_string()).with("content", &Fetched { data: &mark });
    let document = Collection::new(origin.href(&request)).item(item).encode()?;
    Content::new(service, manifest, &file)?.within(ok(), &document, &mark)
}

/// Begins an answer with MIG's headers.
pub(super) fn ok() -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CONTENT_TYPE, "application/json"));
    answer.insert_header((header::CACHE_CONTROL, "no-cache"));
    answer
}
