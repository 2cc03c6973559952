//! What anyone may ask (specs/mig/api.md §3.1, §3.3, §3.4).

use crate::InvestigationApi;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use web::{Origin, Peer, Problem, mig};

/// Says that the service is there.
#[utoipa::path(tag = "mig", security(()),
    responses((status = 200, description = "Collection+JSON with one item `heartbeat`")))]
#[get("/api/v1/heartbeat")]
pub(super) async fn heartbeat(
    request: HttpRequest,
    origin: Data<Origin>,
) -> Result<HttpResponse, Problem> {
    mig::heartbeat(&request, &origin)
}

/// Tells the caller its own address, as bare text.
#[utoipa::path(tag = "mig", security(()), responses(
    (status = 200, description = "The address, without a newline", body = String, content_type = "application/json")))]
#[get("/api/v1/ip")]
pub(super) async fn ip(peer: Peer) -> HttpResponse {
    mig::ip(peer)
}

/// Gives the armored public key with this fingerprint, whatever the status of whom it belongs to.
#[utoipa::path(tag = "mig", security(()),
    params(("fingerprint" = String, Path, description = "upper or lower case hex")), responses(
    (status = 200, description = "The armored key", body = String, content_type = "application/json"),
    (status = 404, description = "Nobody has this key", body = String, content_type = "application/json")))]
#[get("/api/v1/publickey/{fingerprint}")]
pub(super) async fn public_key(
    service: Data<InvestigationApi>,
    fingerprint: Path<String>,
) -> HttpResponse {
    let keyring = service.app.replica.current();
    let key = keyring.iter().find_map(|investigator| {
        let known = investigator.fingerprint.as_deref()?;
        known.eq_ignore_ascii_case(&fingerprint).then_some(investigator.public_key.as_deref()?)
    });
    if let Some(key) = key {
        // the original's text ends without a newline
        return mig::text(StatusCode::OK, key.trim_end().into());
    }
    let asked: String = fingerprint.chars().take(128).collect();
    let text = format!("Invalid Fingerprint : No PublicKey found for fingerprint '{asked}'");
    mig::text(StatusCode::NOT_FOUND, text)
}
