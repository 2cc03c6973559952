//! `/v1/device-codes`: people admit devices.

use super::page::PageQuery;
use super::who::{Reader, Writer};
use crate::AgentGateway;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post};
use time::OffsetDateTime;
use types::api::Page;
use types::api::agent::AgentView;
use types::api::device::{Approval, PendingCode};
use types::api::problem;
use web::{Json, Problem, Query};

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
    writer: Writer,
    gateway: Data<AgentGateway>,
    code: Path<String>,
    approval: Json<Approval>,
) -> Result<HttpResponse, Problem> {
    let agent = gateway.app.approve_code(&code, approval.into_inner(), writer.0.id).await?;
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
    code: Path<String>,
) -> Result<HttpResponse, Problem> {
    gateway.app.deny_code(&code, writer.0.id).await?;
    Ok(HttpResponse::NoContent().finish())
}
