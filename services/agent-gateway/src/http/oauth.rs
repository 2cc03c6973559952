//! The device flow (RFC 8628), as RunbookSolutions' agents need it too: specs/runbook/backend.md §3.5.

use crate::AgentGateway;
use crate::app::patience::Patience;
use crate::app::request_code::CodeRequest;
use crate::app::secret::Secret;
use crate::error::Error;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse, post};
use std::collections::BTreeMap;
use types::api::device::{AccessToken, DeviceCode, GRANT_TYPE, OAuthError};
use utoipa::ToSchema;
use web::{Body, Origin, Peer, Problem};

/// Is all that a call of the device flow may take.
type Parameters = Body<{ 16 << 10 }>;

/// Is what a device sends to get a code; `grant_type` and `scope` are not looked at.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described here, read by name: JSON and forms are both taken")]
struct DeviceCodeRequest {
    /// What the device calls itself, 1 to 128 characters.
    client_id: String,
}

/// Is what a device sends to get its token.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described here, read by name: JSON and forms are both taken")]
struct TokenRequest {
    /// Always `urn:ietf:params:oauth:grant-type:device_code`.
    grant_type: String,
    /// What the device called itself when it asked for the code.
    client_id: String,
    /// The secret it was given.
    device_code: String,
}

/// Gives a device a code for a person to approve.
#[utoipa::path(
    tag = "device flow",
    security(()),
    request_body(content((DeviceCodeRequest = "application/json"), (DeviceCodeRequest = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, body = DeviceCode),
        (status = 400, description = "`invalid_request`, `invalid_client`", body = OAuthError)
    )
)]
#[post("/oauth/device/code")]
pub(super) async fn request_code(
    request: HttpRequest,
    gateway: Data<AgentGateway>,
    origin: Data<Origin>,
    peer: Peer,
    body: Parameters,
) -> Result<HttpResponse, Problem> {
    let parameters = parameters(request.headers(), &body.0)?;
    let code = CodeRequest {
        client_id: required(&parameters, "client_id")?.to_owned(),
        address: peer.0,
        user_agent: text(request.headers(), header::USER_AGENT.as_str()).to_owned(),
        verification_uri: verification_uri(&request, &origin),
    };
    let app = &gateway.app;
    let code =
        app.patiently(Patience::begin(), async || app.request_code(code.clone()).await).await?;
    Ok(HttpResponse::Ok().json(code))
}

/// Gives a device its access token, once a person has approved it.
#[utoipa::path(
    tag = "device flow",
    security(()),
    request_body(content((TokenRequest = "application/json"), (TokenRequest = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, body = AccessToken),
        (
            status = 400,
            description = "`authorization_pending`, `expired_token` (unknown and redeemed codes too), `access_denied`, \
                `invalid_client`, `invalid_request`, `unsupported_grant_type`",
            body = OAuthError
        )
    )
)]
#[post("/oauth/token")]
pub(super) async fn poll_token(
    request: HttpRequest,
    gateway: Data<AgentGateway>,
    body: Parameters,
) -> Result<HttpResponse, Problem> {
    let parameters = parameters(request.headers(), &body.0)?;
    if required(&parameters, "grant_type")? != GRANT_TYPE {
        let detail = "the only grant_type here is urn:ietf:params:oauth:grant-type:device_code";
        return Err(Error::Device { error: "unsupported_grant_type", detail }.into());
    }
    let client_id = required(&parameters, "client_id")?;
    let device_code = required(&parameters, "device_code")?;
    let (app, access) = (&gateway.app, Secret::draw()?);
    let poll = async || app.poll_token(client_id, device_code, &access).await;
    let token = app.patiently(Patience::begin(), poll).await?;
    Ok(HttpResponse::Ok().json(token))
}

/// Reads parameters from JSON or a form; agents send JSON where RFC 8628 wants a form.
fn parameters(headers: &HeaderMap, body: &Bytes) -> Result<BTreeMap<String, String>, Problem> {
    let kind = text(headers, header::CONTENT_TYPE.as_str()).to_ascii_lowercase();
    let is_json = kind.contains("json")
        || (!kind.contains("form") && body.trim_ascii_start().starts_with(b"{"));
    if is_json {
        let object: BTreeMap<String, serde_json::Value> = serde_json::from_slice(body)
            .map_err(|_wrong| invalid("the body is not a JSON object"))?;
        let texts =
            object.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
        return Ok(texts.collect());
    }
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(body)
        .map_err(|_wrong| invalid("the body is neither a form nor JSON"))?;
    Ok(pairs.into_iter().collect())
}

fn required<'a>(
    parameters: &'a BTreeMap<String, String>,
    name: &'static str,
) -> Result<&'a str, Problem> {
    match parameters.get(name).map(String::as_str) {
        None | Some("") => Err(invalid(match name {
            "client_id" => "the parameter client_id is missing",
            "grant_type" => "the parameter grant_type is missing",
            _ => "the parameter device_code is missing",
        })),
        Some(value) => Ok(value),
    }
}

fn invalid(detail: &'static str) -> Problem {
    Error::Device { error: "invalid_request", detail }.into()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Says where the person goes: below the public origin, or else where the device itself asked.
fn verification_uri(request: &HttpRequest, origin: &Origin) -> String {
    let link = origin.link("/device");
    if !link.starts_with('/') {
        return link;
    }
    let host = text(request.headers(), header::HOST.as_str());
    let is_host =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if host.is_empty() || !host.chars().all(is_host) {
        return link;
    }
    let scheme =
        if text(request.headers(), "x-forwarded-proto") == "https" { "https" } else { "http" };
    format!("{scheme}://{host}{link}")
}
