//! `/device`: the page where a person admits a device. It works without script; a session lasts a quarter of an hour,
//! its cookie is for this page only, and every form carries a word that follows from it.

use super::html;
use super::query::ShownCode;
use crate::AgentGateway;
use crate::domain::user_code::UserCode;
use crate::error::Error;
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use types::api::device::Approval;
use types::{PluginId, TeamId};
use utoipa::ToSchema;
use uuid::Uuid;
use web::page::{self, Cookie};
use web::{Entrance, Entry, Form, Origin, Peer, Problem, Query, Visitor, Witness};

const COOKIE: Cookie = Cookie { name: "writ-device", path: "/device" };
/// How many teams and plugins are offered; more are assigned at `/v1/agents`.
const OFFERED: i64 = 200;
const NOT_A_KEY: &str =
    "this is not the API key of an active investigator who may change agents (gateway_write)";

/// Is what the sign-in form sends.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described here, read by name")]
struct SignInForm {
    /// The API key.
    key: String,
    /// The code to go on with.
    code: Option<String>,
}

/// Is what the code form sends.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described here, read by name")]
struct CodeForm {
    /// The word of the session.
    csrf: String,
    /// The code that the device shows.
    code: String,
}

/// Is what the last form sends.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described here, read by name")]
struct DecisionForm {
    /// The word of the session.
    csrf: String,
    /// The code that the device shows.
    code: String,
    /// `approve` or `deny`.
    decision: String,
    /// The agent's name.
    name: Option<String>,
    /// The id of its team.
    team: Option<String>,
    /// The ids of its plugins, each by itself.
    plugin: Option<String>,
}

/// Shows the page: who the visitor is, then the code, then the device.
#[utoipa::path(
    tag = "device flow",
    security(()),
    params(ShownCode),
    responses((status = 200, description = "A page for people", body = String, content_type = "text/html"))
)]
#[get("/device")]
pub(super) async fn show(
    request: HttpRequest,
    gateway: Data<AgentGateway>,
    peer: Peer,
    query: Query<ShownCode>,
) -> Result<HttpResponse, Problem> {
    let typed = query.code.as_deref().unwrap_or_default();
    // only letters of codes are ever shown again
    let code = UserCode::parse(typed).map(|code| code.to_string()).unwrap_or_default();
    match entrance(&gateway).visitor(&request).await? {
        None => Ok(html::page(StatusCode::OK, &html::sign_in(&code, ""))),
        Some(visitor) => show_code(&gateway, peer, &visitor, typed, "").await,
    }
}

/// Signs a person in by API key.
#[utoipa::path(
    tag = "device flow",
    security(()),
    request_body(content = SignInForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "Signed in; go on at `/device`"), (status = 403, description = "A page that says what was wrong", body = String, content_type = "text/html"))
)]
#[post("/device/session")]
pub(super) async fn sign_in(
    request: HttpRequest,
    gateway: Data<AgentGateway>,
    origin: Data<Origin>,
    peer: Peer,
    form: Form<{ 16 << 10 }>,
) -> Result<HttpResponse, Problem> {
    let code = form.first("code").and_then(UserCode::parse);
    let code = code.map(|code| code.to_string()).unwrap_or_default();
    let refuse = |fault| Ok(html::page(StatusCode::FORBIDDEN, &html::sign_in(&code, fault)));
    let cookie = match entrance(&gateway).enter(&request, peer, &origin, &form).await? {
        Entry::In(cookie) => cookie,
        Entry::Forged => return refuse(page::FORGED),
        Entry::Shut => return Ok(shut()),
        Entry::Wrong => return refuse(NOT_A_KEY),
    };
    let next = if code.is_empty() { "/device".into() } else { format!("/device?code={code}") };
    Ok(page::go(&next, Some(cookie)))
}

/// Signs the visitor out.
#[utoipa::path(
    tag = "device flow",
    security(()),
    request_body(content = page::SignOutForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 303, description = "Signed out"), (status = 403, description = "A page that says what was wrong", body = String, content_type = "text/html"))
)]
#[post("/device/session/end")]
pub(super) async fn sign_out(
    request: HttpRequest,
    gateway: Data<AgentGateway>,
    form: Form<{ 16 << 10 }>,
) -> Result<HttpResponse, Problem> {
    let left = entrance(&gateway).leave(&request, &form).await?;
    Ok(left.map_or_else(forged, |cookie| page::go("/device", Some(cookie))))
}

/// Looks a typed code up.
#[utoipa::path(
    tag = "device flow",
    security(()),
    request_body(content = CodeForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The device", body = String, content_type = "text/html"), (status = "4XX", description = "A page that says what was wrong", body = String, content_type = "text/html"))
)]
#[post("/device/code")]
pub(super) async fn enter(
    request: HttpRequest,
    gateway: Data<AgentGateway>,
    peer: Peer,
    form: Form<{ 16 << 10 }>,
) -> Result<HttpResponse, Problem> {
    let found = entrance(&gateway).sender(&request, &form).await?;
    let Some(visitor) = found else { return Ok(forged()) };
    show_code(&gateway, peer, &visitor, form.first("code").unwrap_or_default(), "").await
}

/// Admits a device, or refuses it.
#[utoipa::path(
    tag = "device flow",
    security(()),
    request_body(content = DecisionForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "What became of it", body = String, content_type = "text/html"), (status = "4XX", description = "A page that says what was wrong", body = String, content_type = "text/html"))
)]
#[post("/device")]
pub(super) async fn decide(
    request: HttpRequest,
    gateway: Data<AgentGateway>,
    peer: Peer,
    form: Form<{ 64 << 10 }>,
) -> Result<HttpResponse, Problem> {
    let found = entrance(&gateway).sender(&request, &form).await?;
    let Some(visitor) = found else { return Ok(forged()) };
    if entrance(&gateway).is_shut(peer) {
        return Ok(shut());
    }
    let code = form.first("code").unwrap_or_default();
    let done = match (form.first("decision"), approval(&form)) {
        _ if !gateway.app.may_change() => {
            Err("the investigators' keys may be out of date here, so nothing is changed; try again later".into())
        }
        (Some("deny"), _) => match gateway.app.deny_code(code, visitor.caller.id).await {
            Ok(()) => {
                Witness::remark(&request, format!("{code} turned away"));
                Ok("The device was turned away.".to_owned())
            }
            Err(error) => Err(in_words(error)?),
        },
        (Some("approve"), Some(approval)) => {
            match gateway.app.approve_code(code, approval, visitor.caller.id).await {
                Ok(agent) => {
                    Witness::remark(&request, format!("{code} admitted as agent {}", agent.id));
                    Ok(format!(
                        "The device is in: it is the agent {} ({}) from its next question on.",
                        agent.name, agent.id
                    ))
                }
                Err(error) => Err(in_words(error)?),
            }
        }
        _ => Err("the form is not complete".into()),
    };
    match done {
        Ok(text) => Ok(html::page(StatusCode::OK, &html::decided(&text))),
        Err(fault) => show_code(&gateway, peer, &visitor, code, &fault).await,
    }
}

fn approval(form: &web::Values) -> Option<Approval> {
    let team = form.first("team").filter(|team| !team.is_empty());
    let plugins: Result<Vec<PluginId>, _> =
        form.all("plugin").iter().map(|id| id.parse()).collect();
    Some(Approval {
        name: form.first("name").unwrap_or_default().trim().into(),
        team_id: team.map(str::parse::<TeamId>).transpose().ok()?,
        plugins: plugins.ok()?,
        tags: std::collections::BTreeMap::new(),
    })
}

/// Says what was wrong with the input; what is wrong with us is a problem.
fn in_words(error: Error) -> Result<String, Problem> {
    match error {
        Error::Invalid(faults) => {
            let told = faults
                .iter()
                .map(|fault| format!("{} {}", fault.pointer.trim_start_matches('/'), fault.detail));
            Ok(told.collect::<Vec<_>>().join("; "))
        }
        Error::NotFound(_) => Ok("no device waits with this code".into()),
        Error::Conflict { detail, .. } => Ok(detail.into()),
        other => Err(other.into()),
    }
}

async fn show_code(
    gateway: &AgentGateway,
    peer: Peer,
    visitor: &Visitor,
    typed: &str,
    fault: &str,
) -> Result<HttpResponse, Problem> {
    let csrf = &visitor.csrf;
    let status = if fault.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    if typed.is_empty() {
        return Ok(html::page(status, &html::enter_code(csrf, fault)));
    }
    if entrance(gateway).is_shut(peer) {
        return Ok(shut());
    }
    let found = match UserCode::parse(typed) {
        Some(code) => gateway.app.read_code(&code).await?,
        None => None,
    };
    let Some(code) = found else {
        gateway.guesses.note(peer.0, gateway.app.clock.now());
        let fault = if fault.is_empty() { "no device waits with this code" } else { fault };
        return Ok(html::page(StatusCode::NOT_FOUND, &html::enter_code(csrf, fault)));
    };
    let teams = gateway.app.list_teams(Uuid::nil(), OFFERED).await?;
    let plugins = gateway.app.latest_plugins(OFFERED).await?;
    Ok(html::page(status, &html::decide(csrf, &code, &teams, &plugins, fault)))
}

/// Answers an address that was wrong too often.
fn shut() -> HttpResponse {
    let mut page = html::page(
        StatusCode::TOO_MANY_REQUESTS,
        "<p class=\"wrong\" role=\"alert\">Too many wrong codes or keys came from your address; \
         try again in five minutes.</p>",
    );
    page.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("300"));
    page
}

fn forged() -> HttpResponse {
    html::page(StatusCode::FORBIDDEN, &html::decided(page::FORGED))
}

fn entrance(gateway: &AgentGateway) -> Entrance<'_> {
    let AgentGateway { app, guesses } = gateway;
    Entrance { cookie: COOKIE, sessions: app.sessions(), guesses, now: app.clock.now() }
}
