//! What MIG's agents and loaders ask before anything else (specs/mig/api.md §3.1, §3.3).

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get};
use web::{Collection, Item, Origin, Peer, Problem};

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
    let item = Item::new(request.uri().to_string()).with("heartbeat", "gatorz say hi");
    Collection::new(origin.href(&request)).item(item).respond(StatusCode::OK)
}

/// Tells the caller its own address, as bare text.
#[utoipa::path(
    tag = "mig",
    security(()),
    responses((status = 200, description = "The address, without a newline", body = String, content_type = "application/json"))
)]
#[get("/api/v1/ip")]
pub(super) async fn ip(peer: Peer) -> HttpResponse {
    // the type is wrong and is what the original says
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(peer.0.to_string())
}
