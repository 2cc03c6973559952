//! Who may come in: investigators who read, and those who respond.

use crate::store::events::Actor;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use auth::Caller;
use std::future::{Ready, ready};
use types::Permission;
use web::{Investigator, Needs, Peer, Permitted, Problem, SoarcaCaller};

/// Is an investigator with `manual_read`.
pub(super) type Reader = Permitted<Read>;

/// Needs `manual_read`.
pub(super) enum Read {}

impl Needs for Read {
    const PERMISSION: Permission = Permission::ManualRead;
}

/// Is an investigator with `manual_respond`.
#[derive(Debug, Clone)]
pub(super) struct Responder(pub(super) Actor);

/// Is a caller of SOARCA's paths who may read.
#[derive(Debug, Clone)]
pub(super) struct SoarcaReader;

/// Is a caller of SOARCA's paths who may respond.
#[derive(Debug, Clone)]
pub(super) struct SoarcaResponder(pub(super) Actor);

/// Makes an actor of an investigator, or of somebody who had to prove nothing.
pub(super) fn actor(
    caller: Option<&Caller>,
    request: &HttpRequest,
    channel: &'static str,
) -> Actor {
    let Ok(Peer(address)) = Peer::from_request(request, &mut Payload::None).into_inner();
    Actor {
        name: caller.map_or_else(|| "anonymous".into(), |caller| caller.name.clone()),
        investigator: caller.map(|caller| caller.id),
        address: address.to_string(),
        channel,
    }
}

impl FromRequest for Responder {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = Investigator::who_may(request, Permission::ManualRespond);
        ready(caller.map(|caller| Self(actor(Some(&caller), request, "api"))))
    }
}

impl FromRequest for SoarcaReader {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(SoarcaCaller::who_may(request, Permission::ManualRead).map(|_caller| Self))
    }
}

impl FromRequest for SoarcaResponder {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = SoarcaCaller::who_may(request, Permission::ManualRespond);
        ready(caller.map(|caller| Self(actor(caller.as_ref(), request, "soarca"))))
    }
}
