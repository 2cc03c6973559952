//! What MIG's agents and loaders ask before anything else (specs/mig/api.md §3.1, §3.3).

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use web::{Origin, Peer, Problem};

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
