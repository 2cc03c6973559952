//! Investigators who may do something; known before anything else of a request is read.

use crate::{Investigator, Problem};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use auth::Caller;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use types::Permission;

/// Says which permission a way in needs.
pub trait Needs: 'static {
    /// The permission.
    const PERMISSION: Permission;
}

/// Is an investigator with the permission that `N` needs. It stands before path, query and body among a handler's
/// arguments: the first that fails answers, and who may not come in learns nothing of the others.
#[derive(Debug, Clone)]
pub struct Permitted<N>(pub Caller, PhantomData<N>);

impl<N: Needs> FromRequest for Permitted<N> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Investigator::who_may(request, N::PERMISSION).map(|caller| Self(caller, PhantomData)))
    }
}
