//! Who may come in with something large.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use auth::Caller;
use std::future::{Ready, ready};
use types::Permission;
use web::{Investigator, Problem};

/// Is an investigator with `manifest_new`; known before any of an archive is read, which may be large. It has to stand before the
/// body among a handler's arguments.
#[derive(Debug, Clone)]
pub(super) struct Maker(pub(super) Caller);

impl FromRequest for Maker {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Investigator::who_may(request, Permission::ManifestNew).map(Self))
    }
}
