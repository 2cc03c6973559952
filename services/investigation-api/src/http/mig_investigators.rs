//! `/api/v1/investigator`, as MIG's clients know it (specs/mig/api.md §3.10–3.12).

use super::who::{CreateInvestigators, ReadInvestigators, UpdateInvestigators};
use crate::InvestigationApi;
use crate::app::{ApiKey, Candidate, Change};
use crate::domain::audit::Actor;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use types::investigator::Investigator as Document;
use types::messages::InvestigatorChanged;
use types::{InvestigatorId, InvestigatorStatus, Permissions, instant};
use web::{
    Collection, Form, Item, Multipart, Origin, Peer, Permitted, Problem, QueryValues, mig_number,
};

/// Shows one investigator with key and permissions.
#[utoipa::path(tag = "mig", params(("investigatorid" = f64, Query)),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 503)))]
#[get("/api/v1/investigator")]
pub(super) async fn show(
    service: Data<InvestigationApi>,
    origin: Data<Origin>,
    _caller: Permitted<ReadInvestigators>,
    query: QueryValues,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = query.first("investigatorid");
    let id = InvestigatorId(mig_number::id("investigatorid", "Investigator", asked)?);
    let found = service.app.show_investigator(id).await?;
    let found =
        found.ok_or_else(|| mig_number::not_found("Investigator", asked.unwrap_or_default()))?;
    let history = format!("/api/v1/search?type=action&investigatorid={id}&limit=100");
    let item = Item::new(href(&origin, id))
        .with("investigator", &document(&found))
        .link("investigator history", origin.link(&history));
    Collection::new(origin.href(&request)).item(item).respond(StatusCode::OK)
}

/// Creates an investigator; parts `name`, `permissions` (JSON) and perhaps the file `publickey`.
#[utoipa::path(tag = "mig", request_body(content = Object, content_type = "multipart/form-data"),
    responses((status = 201), (status = 400), (status = 401), (status = 409), (status = 503)))]
#[post("/api/v1/investigator/create/")]
pub(super) async fn create(
    service: Data<InvestigationApi>,
    origin: Data<Origin>,
    caller: Permitted<CreateInvestigators>,
    peer: Peer,
    form: Multipart<262_144>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let name = form.text("name").unwrap_or_default();
    if name.is_empty() {
        return Err(invalid("Investigator name must not be empty"));
    }
    let permissions = permissions(&form.text("permissions").unwrap_or_default())?;
    let key = form.file("publickey").map(String::from_utf8_lossy);
    let candidate = Candidate { name: &name, permissions, public_key: key.as_deref() };
    let actor = Actor::caller(&caller.0, peer.0);
    let made = service.app.create_investigator(&actor, caller.0.permissions, &candidate).await?;
    let echo = Document {
        status: String::new(),
        createdat: instant::NONE,
        lastmodified: instant::NONE,
        ..document(&made)
    };
    answer(&request, &origin, made.id, &echo, StatusCode::CREATED)
}

/// Changes an investigator; form fields `id` and at least one of `status`, `permissions` (JSON) and `apikey`.
#[utoipa::path(tag = "mig", request_body(content = Object, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200), (status = 400), (status = 401), (status = 404), (status = 409), (status = 503)))]
#[post("/api/v1/investigator/update/")]
pub(super) async fn update(
    service: Data<InvestigationApi>,
    origin: Data<Origin>,
    caller: Permitted<UpdateInvestigators>,
    peer: Peer,
    form: Form<65_536>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let given = |name| form.first(name).filter(|value| !value.is_empty());
    let Some(asked) = given("id") else {
        return Err(invalid("Investigator ID must not be empty"));
    };
    let id = InvestigatorId(mig_number::id("id", "Investigator", Some(asked))?);
    let change = Change {
        status: given("status").map(status).transpose()?,
        permissions: given("permissions").map(permissions).transpose()?,
        api_key: given("apikey").map(api_key).transpose()?,
    };
    if change.status.is_none() && change.permissions.is_none() && change.api_key.is_none() {
        return Err(invalid("No updates to the investigator were specified"));
    }
    let actor = Actor::caller(&caller.0, peer.0);
    let new_key =
        service.app.change_investigator(&actor, caller.0.permissions, id, &change).await?;
    // only what was posted is repeated
    let echo = Document {
        id: Some(id),
        name: String::new(),
        pgpfingerprint: String::new(),
        publickey: None,
        status: change.status.map(InvestigatorStatus::name).unwrap_or_default().into(),
        createdat: instant::NONE,
        lastmodified: instant::NONE,
        apikey: new_key,
        permissions: change.permissions.unwrap_or_default(),
    };
    answer(&request, &origin, id, &echo, StatusCode::OK)
}

fn answer(
    request: &HttpRequest,
    origin: &Origin,
    id: InvestigatorId,
    echo: &Document,
    status: StatusCode,
) -> Result<HttpResponse, Problem> {
    let item = Item::new(href(origin, id)).with(format!("Investigator ID {id}"), echo);
    Collection::new(origin.href(request)).item(item).respond(status)
}

/// Gives the address of an investigator.
pub(super) fn href(origin: &Origin, id: InvestigatorId) -> String {
    origin.link(&format!("/api/v1/investigator?investigatorid={id}"))
}

fn document(state: &InvestigatorChanged) -> Document {
    Document {
        id: Some(state.id),
        name: state.name.clone(),
        pgpfingerprint: state.fingerprint.clone().unwrap_or_default(),
        publickey: state.public_key.as_ref().map(|key| STANDARD.encode(key)),
        status: state.status.name().into(),
        createdat: state.created,
        lastmodified: state.modified,
        apikey: state.api_key_sha256.as_ref().map(|_| "set".into()),
        permissions: Permissions(state.permissions),
    }
}

fn status(text: &str) -> Result<InvestigatorStatus, Problem> {
    InvestigatorStatus::parse(text)
        .ok_or_else(|| invalid(format!("Invalid investigator status '{text}'")))
}

fn api_key(text: &str) -> Result<ApiKey, Problem> {
    match text {
        "active" => Ok(ApiKey::New),
        "disabled" => Ok(ApiKey::None),
        _ => Err(invalid("Invalid value for apikey parameter")),
    }
}

fn permissions(text: &str) -> Result<Permissions, Problem> {
    serde_json::from_str(text).map_err(|error| {
        invalid(format!("the permissions are not a JSON object of booleans: {error}"))
    })
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::malformed("investigator-invalid", detail)
}
