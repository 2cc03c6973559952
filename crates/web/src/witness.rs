//! Who is told of logins that were refused.

use crate::{Peer, Problem};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use std::fmt;
use std::sync::Arc;

/// Is a login that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedLogin {
    /// Where it came from.
    pub from: Peer,
    /// The method and path that were asked for, without the query.
    pub asked: String,
    /// Why it was refused; holds no credential.
    pub reason: String,
}

/// Is told of every refused login of one service; it must not wait.
#[derive(Clone)]
pub struct Witness(Arc<dyn Fn(RefusedLogin) + Send + Sync>);

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl Witness {
    /// Calls `tell` for every refused login.
    pub fn new(tell: impl Fn(RefusedLogin) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells the service's witness, if it has one.
    pub(crate) fn tell(request: &HttpRequest, problem: &Problem) {
        let Some(witness) = request.app_data::<web::Data<Self>>() else { return };
        let Ok(from) = Peer::from_request(request, &mut Payload::None).into_inner();
        let asked = format!("{} {}", request.method(), request.path());
        let reason = problem.parts().detail.clone();
        (witness.0)(RefusedLogin { from, asked, reason });
    }
}
