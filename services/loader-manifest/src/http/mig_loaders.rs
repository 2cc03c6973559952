//! `/api/v1/loader`, as MIG's clients know it (specs/mig/api.md §3.13–3.17).

use super::who::{CreateLoaders, ReadLoaders, ReplaceKeys, SetExpectations, SetLoaderStatus};
use crate::LoaderManifest;
use crate::store::loaders::LoaderRow;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use serde::Deserialize;
use types::loader::LoaderEntry;
use types::{LoaderId, go_json, instant};
use web::{Collection, Form, Item, Origin, Permitted, Problem, QueryValues, Values, mig_number};

/// Shows one loader.
#[utoipa::path(tag = "mig", params(("loaderid" = f64, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[get("/api/v1/loader")]
pub(super) async fn show(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    _caller: Permitted<ReadLoaders>,
    query: QueryValues,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let row = service.app.show_loader(id(&query)?).await?;
    let entry = entry(row);
    let item = Item::new(href(&origin, entry.id)).with("loader", &entry);
    Collection::new(origin.href(&request)).item(item).respond(StatusCode::OK)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Posted {
    name: Option<String>,
    expectenv: Option<String>,
}

/// Creates a disabled loader; form field `loader` (JSON), of which name and expected environment count.
#[utoipa::path(tag = "mig", request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 201), (status = 400), (status = 401), (status = 409), (status = 503)))]
#[post("/api/v1/loader/new/")]
pub(super) async fn create(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    caller: Permitted<CreateLoaders>,
    form: Form<65_536>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let document = form.first("loader").unwrap_or_default();
    if document.is_empty() {
        return Err(Problem::malformed("loader-missing", "no loader entry specified in form"));
    }
    let posted: Posted = read(document, "loader-not-json")?;
    let name = posted.name.unwrap_or_default();
    let expect = posted.expectenv.unwrap_or_default();
    let (row, key) = service.app.create_loader(caller.0.id, &name, &expect).await?;
    let shown =
        LoaderEntry { key, agentname: String::new(), lastseen: instant::NONE, ..entry(row) };
    answer_key(&request, &origin, &shown, StatusCode::CREATED)
}

/// Enables a loader with `status=enabled`, disables it with anything else; form fields `loaderid`, `status`.
#[utoipa::path(tag = "mig", request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[post("/api/v1/loader/status/")]
pub(super) async fn set_status(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    caller: Permitted<SetLoaderStatus>,
    form: Form<65_536>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let enabled = form.first("status") == Some("enabled");
    service.app.enable_loader(caller.0.id, id(&form)?, enabled).await?;
    Collection::new(origin.href(&request)).respond(StatusCode::OK)
}

/// Sets what a loader's host must be like; form fields `loaderid`, `expectenv` (empty for anything).
#[utoipa::path(tag = "mig", request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[post("/api/v1/loader/expect/")]
pub(super) async fn set_expect(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    caller: Permitted<SetExpectations>,
    form: Form<65_536>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let expect = form.first("expectenv").unwrap_or_default();
    service.app.expect_loader(caller.0.id, id(&form)?, expect).await?;
    Collection::new(origin.href(&request)).respond(StatusCode::OK)
}

/// Replaces a loader's key, but for its prefix; form field `loaderid`. The new one is shown this once.
#[utoipa::path(tag = "mig", request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[post("/api/v1/loader/key/")]
pub(super) async fn replace_key(
    service: Data<LoaderManifest>,
    origin: Data<Origin>,
    caller: Permitted<ReplaceKeys>,
    form: Form<65_536>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (row, key) = service.app.rekey_loader(caller.0.id, id(&form)?).await?;
    let shown = LoaderEntry { key, ..entry(row) };
    answer_key(&request, &origin, &shown, StatusCode::OK)
}

fn answer_key(
    request: &HttpRequest,
    origin: &Origin,
    shown: &LoaderEntry,
    status: StatusCode,
) -> Result<HttpResponse, Problem> {
    let item = Item::new(href(origin, shown.id)).with("loader", shown);
    Collection::new(origin.href(request)).item(item).respond(status)
}

fn id(values: &Values) -> Result<LoaderId, Problem> {
    mig_number::id("loaderid", "Loader", values.first("loaderid")).map(LoaderId)
}

/// Reads a document out of a form, names of members in any case.
pub(super) fn read<T: serde::de::DeserializeOwned>(
    document: &str,
    code: &'static str,
) -> Result<T, Problem> {
    let broken = |error: &dyn std::fmt::Display| {
        Problem::malformed(code, format!("the form's JSON does not parse: {error}"))
    };
    let value = go_json::parse(document.as_bytes()).map_err(|error| broken(&error))?;
    let serde_json::Value::Object(members) = value else {
        return Err(broken(&"it is no object"));
    };
    let folded = go_json::fold_names(members).into();
    serde_json::from_value(folded).map_err(|error| broken(&error))
}

/// Gives the address of a loader.
pub(super) fn href(origin: &Origin, id: LoaderId) -> String {
    origin.link(&format!("/api/v1/loader?loaderid={id}"))
}

/// Writes a loader as MIG does, without its key.
pub(super) fn entry(row: LoaderRow) -> LoaderEntry {
    LoaderEntry {
        id: row.id(),
        name: row.loader_name,
        prefix: row.key_prefix,
        key: String::new(),
        agentname: row.name.unwrap_or_default(),
        lastseen: row.last_seen,
        enabled: row.enabled,
        expectenv: row.expect_env.unwrap_or_default(),
    }
}
