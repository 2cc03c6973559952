//! `/v1/device-codes`: people admit devices.

use super::who::{Reader, Writer};
use crate::AgentGateway;
use crate::error::Error;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, post};
use std::time::Duration;
use time::OffsetDateTime;
use types::api::Page;
use types::api::agent::AgentView;
use types::api::device::{Approval, PendingCode};
use types::api::problem;
use web::{Json, PageQuery, Peer, Problem, Query, Witness};

const WINDOW: Duration = Duration::from_mins(5);

/// Lists the codes that wait for a person, oldest first.
#[utoipa::path(
    tag = "device codes",
    params(PageQuery),
    responses((status = 200, body = Page<PendingCode>), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/device-codes")]
pub(super) async fn list(
    _reader: Reader,
    gateway: Data<AgentGateway>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let after = query.after::<(i128, String)>()?;
    let after = after.and_then(|(at, letters)| {
        Some((OffsetDateTime::from_unix_timestamp_nanos(at).ok()?, letters))
    });
    let rows = gateway.app.list_codes(after, query.rows()?).await?;
    let key =
        |row: &PendingCode| (row.created.unix_timestamp_nanos(), row.user_code.replace('-', ""));
    Ok(HttpResponse::Ok().json(query.page(rows, key)?))
}

/// Approves a device: it becomes an agent and fetches its token with its next poll.
#[utoipa::path(
    tag = "device codes",
    params(("user_code" = String, Path, description = "The code that the device shows; case and dashes do not matter")),
    request_body = Approval,
    responses((status = 200, body = AgentView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/device-codes/{user_code}/approve")]
pub(super) async fn approve(
    request: HttpRequest,
    writer: Writer,
    gateway: Data<AgentGateway>,
    peer: Peer,
    code: Path<String>,
    approval: Json<Approval>,
) -> Result<HttpResponse, Problem> {
    check_not_shut(&gateway, peer)?;
    let decided = gateway.app.approve_code(&code, approval.into_inner(), writer.0.id).await;
    let agent = decided.map_err(|error| note(&gateway, peer, error))?;
    Witness::remark(&request, format!("agent {}", agent.id));
    Ok(HttpResponse::Ok().json(agent.view()))
}

/// Refuses a device.
#[utoipa::path(
    tag = "device codes",
    params(("user_code" = String, Path, description = "The code that the device shows; case and dashes do not matter")),
    responses((status = 204, description = "Refused"), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/device-codes/{user_code}/deny")]
pub(super) async fn deny(
    writer: Writer,
    gateway: Data<AgentGateway>,
    peer: Peer,
    code: Path<String>,
) -> Result<HttpResponse, Problem> {
    check_not_shut(&gateway, peer)?;
    let decided = gateway.app.deny_code(&code, writer.0.id).await;
    decided.map_err(|error| note(&gateway, peer, error))?;
    Ok(HttpResponse::NoContent().finish())
}

/// Refuses an address that was wrong too often, here or at the page.
fn check_not_shut(gateway: &AgentGateway, peer: Peer) -> Result<(), Problem> {
    if gateway.guesses.is_shut(peer.0, gateway.app.clock.now()) {
        return Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-guesses",
            "Too many guesses",
            "too many wrong codes or keys came from your address; try again in five minutes",
        )
        .retry_after(WINDOW));
    }
    Ok(())
}

/// Notes a code that nobody was given.
fn note(gateway: &AgentGateway, peer: Peer, error: Error) -> Problem {
    if matches!(error, Error::NotFound(_)) {
        gateway.guesses.note(peer.0, gateway.app.clock.now());
    }
    error.into()
}
