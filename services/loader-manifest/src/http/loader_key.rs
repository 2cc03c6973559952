//! The header by which a loader proves itself (specs/mig/auth.md §3).

use crate::domain::key::LoaderKey;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use std::future::{Ready, ready};
use web::Problem;

/// Is a key as it was shown; whose it is, and whether it is right, the use case finds out.
pub(super) struct Shown(pub(super) LoaderKey);

impl FromRequest for Shown {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let key = match request.headers().get("x-loaderkey").map(|value| value.to_str()) {
            None | Some(Ok("")) => Err(Problem::unauthorized("X-LOADERKEY header not found")),
            Some(value) => value
                .ok()
                .and_then(LoaderKey::parse)
                .ok_or_else(|| Problem::unauthorized("Loader authorization failed")),
        };
        ready(key.map(Self))
    }
}
