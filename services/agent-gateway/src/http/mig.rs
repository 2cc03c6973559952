//! What MIG's agents and loaders ask before anything else (specs/mig/api.md §3.1–§3.3).

use super::held;
use crate::AgentGateway;
use crate::domain::heartbeat::{HEARTBEAT_BYTES, Heartbeat};
use crate::mig::{Heard, Space};
use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, BytesMut, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, get, post};
use futures_util::StreamExt;
use serde_json::json;
use std::time::Duration;
use web::{Origin, Peer, Problem};

/// How long a heartbeat may take to come.
const DEADLINE: Duration = Duration::from_secs(20);

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
        (status = 408, description = "It came too slowly"),
        (status = 413, description = "It has more than 102400 bytes"),
        (status = 503, description = "It cannot be stored now, or more come in than can be taken at a time"),
    )
)]
#[post("/api/v1/heartbeat")]
pub(super) async fn hear(
    request: HttpRequest,
    gateway: Data<AgentGateway>,
    body: Payload,
) -> HttpResponse {
    let (status, error) = match take(&gateway, held::told(&request), body).await {
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
    told: Option<usize>,
    body: Payload,
) -> Result<(), (StatusCode, String)> {
    let mig = &gateway.app.mig;
    let mut space = mig.space();
    let reading = read(told, body, &mut space);
    let body = tokio::time::timeout(DEADLINE, reading).await.unwrap_or(Err(Fault::Late));
    let heard = match body {
        Ok(body) => {
            let read = Heartbeat::from_http(&body, gateway.app.clock.now())
                .map_err(|fault| (StatusCode::BAD_REQUEST, fault.to_string()))?;
            mig.hear(read, space).await
        }
        Err(Fault::NoRoom) => mig.no_room(),
        Err(Fault::Late) => {
            let late = format!("the whole body must come within {} seconds", DEADLINE.as_secs());
            return Err((StatusCode::REQUEST_TIMEOUT, late));
        }
        Err(Fault::Large) => {
            let most = format!("at most {HEARTBEAT_BYTES} bytes are taken here");
            return Err((StatusCode::PAYLOAD_TOO_LARGE, most));
        }
        Err(Fault::Broken(error)) => {
            let broken = format!("the body cannot be read: {error}");
            return Err((StatusCode::BAD_REQUEST, broken));
        }
    };
    let (status, error) = match heard {
        Heard::Yes => return Ok(()),
        Heard::NotListed => (StatusCode::UNAUTHORIZED, "the agent is not on the whitelist"),
        Heard::Revoked => (StatusCode::UNAUTHORIZED, "the agent was revoked"),
        Heard::NoRoom => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Failed to save heartbeat: more heartbeats come in than can be taken at a time",
        ),
        Heard::NotNow => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Failed to save heartbeat: it could not be stored in time",
        ),
    };
    Err((status, error.to_owned()))
}

/// Says why a body was not read.
enum Fault {
    NoRoom,
    Late,
    Large,
    Broken(PayloadError),
}

/// Reads a heartbeat; what has come takes room, and nothing that is only announced.
async fn read(told: Option<usize>, mut body: Payload, space: &mut Space) -> Result<Bytes, Fault> {
    if told.is_some_and(|told| told > HEARTBEAT_BYTES) {
        return Err(Fault::Large);
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(Fault::Broken)?;
        if bytes.len() + chunk.len() > HEARTBEAT_BYTES {
            return Err(Fault::Large);
        }
        if !space.grow(chunk.len()) {
            return Err(Fault::NoRoom);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
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
