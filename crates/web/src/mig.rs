//! What MIG's agents, loaders and clients ask before anything else (specs/mig/api.md §3.1, §3.3). agent-gateway answers
//! it on the public origin, investigation-api on its own port as well.

use crate::{Collection, Item, Origin, Peer, Problem};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};

/// Says that the house is there.
pub fn heartbeat(request: &HttpRequest, origin: &Origin) -> Result<HttpResponse, Problem> {
    let item = Item::new(request.uri().to_string()).with("heartbeat", "gatorz say hi");
    Collection::new(origin.href(request)).item(item).respond(StatusCode::OK)
}

/// Tells the caller its own address, as bare text; an IPv6 address without brackets.
pub fn ip(peer: Peer) -> HttpResponse {
    text(StatusCode::OK, peer.0.to_string())
}

/// Answers with bare text as the original does: under a type that is wrong and is what its clients know.
pub fn text(status: StatusCode, text: String) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(text)
}
