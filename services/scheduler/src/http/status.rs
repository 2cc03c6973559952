//! SOARCA's `/status` (specs/soarca/soarca-api.md §5).

use super::reporter::written;
use super::who::KnownReader;
use crate::Scheduler;
use actix_web::web::Data;
use actix_web::{HttpResponse, routes};
use serde_json::json;
use web::Problem;

/// Says that the service is there.
#[utoipa::path(tag = "soarca", security(()), responses((status = 200, body = String, content_type = "text/plain")))]
#[routes]
#[get("/status/ping")]
#[get("/status/ping/")]
pub(super) async fn ping() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("pong")
}

/// Says since when the service is there; to investigators, also where SOARCA's other paths are open.
#[utoipa::path(tag = "soarca", responses((status = 200, body = Object), (status = "4XX", body = Object)))]
#[routes]
#[get("/status")]
#[get("/status/")]
pub(super) async fn status(
    _reader: KnownReader,
    service: Data<Scheduler>,
) -> Result<HttpResponse, Problem> {
    let now = service.app.clock.now();
    let since = service.app.started;
    let milliseconds = u64::try_from((now - since).whole_milliseconds()).unwrap_or_default();
    Ok(HttpResponse::Ok().json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "runtime": std::env::consts::OS,
        "mode": "production",
        "time": written(now),
        "uptime": {"since": written(since), "milliseconds": milliseconds},
    })))
}
