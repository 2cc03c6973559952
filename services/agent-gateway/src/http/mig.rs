//! What MIG's agents and loaders ask before anything else (specs/mig/api.md §3.1–§3.3).

use crate::AgentGateway;
use crate::domain::heartbeat::{HEARTBEAT_BYTES, Heartbeat};
use crate::mig::Heard;
use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post};
use serde_json::json;
use web::{Body, Origin, Peer, Problem};

/// Says that the house is there.
#[utoipa::path(
    tag = "mig",
    security(()),
    responses((status = 200, description = "Collection+JSON with one item `heartbeat`"))
)]
#[get("/api/v1/heartbeat")]
pub(super) async fn heartbeat(
    request: HttpRequest,
    origin: Data<Origin>,
) -> Result<HttpResponse, Problem> {
    web::mig::heartbeat(&request, &origin)
}

/// Takes the heartbeat of a MIG agent. Agents written in Go are answered without a body, refusals too, as they never
/// read one and would leak a socket each time (specs/mig/scheduler-agent.md §3).
#[utoipa::path(
    tag = "mig",
    security(()),
    request_body(content = String, content_type = "application/json"),
    responses(
        (status = 200, description = "`{\"error\":null}`, or nothing for Go's client"),
        (status = 400, description = "`{\"error\":…}` with what is wrong, or nothing for Go's client"),
        (status = 401, description = "The agent is not on the whitelist, or was revoked"),
        (status = 503, description = "It cannot be stored now"),
    )
)]
#[post("/api/v1/heartbeat")]
pub(super) async fn hear(
    request: HttpRequest,
    gateway: Data<AgentGateway>,
    body: Result<Body<HEARTBEAT_BYTES>, Problem>,
) -> HttpResponse {
    let (status, error) = match take(&gateway, body).await {
        Ok(()) => (StatusCode::OK, None),
        Err((status, error)) => (status, Some(error)),
    };
    if is_go(&request) {
        return HttpResponse::build(status).finish();
    }
    let body = format!("{}\n", json!({"error": error}));
    HttpResponse::build(status).insert_header((header::CONTENT_TYPE, "application/json")).body(body)
}

async fn take(
    gateway: &AgentGateway,
    body: Result<Body<HEARTBEAT_BYTES>, Problem>,
) -> Result<(), (StatusCode, String)> {
    let body = body.map_err(|problem| (problem.status(), problem.to_string()))?.0;
    let heard = Heartbeat::from_http(&body, gateway.app.clock.now())
        .map_err(|fault| (StatusCode::BAD_REQUEST, fault.to_string()))?;
    let (status, error) = match gateway.app.mig.hear(heard, body.len()).await {
        Heard::Yes => return Ok(()),
        Heard::NotListed => (StatusCode::UNAUTHORIZED, "the agent is not on the whitelist"),
        Heard::Revoked => (StatusCode::UNAUTHORIZED, "the agent was revoked"),
        Heard::NotNow => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Failed to save heartbeat: the database is not available now",
        ),
    };
    Err((status, error.to_owned()))
}

fn is_go(request: &HttpRequest) -> bool {
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    agent.is_some_and(|agent| agent.starts_with("Go-http-client/"))
}

/// Tells the caller its own address, as bare text.
#[utoipa::path(
    tag = "mig",
    security(()),
    responses((status = 200, description = "The address, without a newline", body = String, content_type = "application/json"))
)]
#[get("/api/v1/ip")]
pub(super) async fn ip(peer: Peer) -> HttpResponse {
    web::mig::ip(peer)
}
