//! Who asks under SOARCA's paths (design surface §4).

use crate::{Investigator, Problem};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use auth::Caller;
use std::future::{Ready, ready};
use types::Permission;

/// Says whether callers of SOARCA's paths must prove who they are (`WRIT_MANUAL_AUTH`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoarcaAuth {
    /// Whether they must.
    pub required: bool,
}

/// Is who asks under SOARCA's paths: an investigator, or nobody in particular where these paths are open.
#[derive(Debug, Clone)]
pub struct SoarcaCaller(pub Option<Caller>);

impl SoarcaCaller {
    /// Gives who sent the request, if they may do this.
    pub fn who_may(
        request: &HttpRequest,
        permission: Permission,
    ) -> Result<Option<Caller>, Problem> {
        let asking = Self::from_request(request, &mut Payload::None).into_inner()?;
        asking.require(permission)?;
        Ok(asking.0)
    }

    /// Refuses an investigator who may not do this.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        match &self.0 {
            Some(caller) => Investigator(caller.clone()).require(permission),
            None => Ok(()),
        }
    }
}

impl FromRequest for SoarcaCaller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let auth = request.app_data::<web::Data<SoarcaAuth>>();
        let open = auth.is_some_and(|auth| !auth.required);
        // a bearer token may be of somebody else's sign-in: front ends of SOARCA send such ones
        let shown = ["x-pgpauthorization", "x-migapikey"]
            .iter()
            .any(|name| request.headers().get(*name).is_some_and(|value| !value.is_empty()));
        if open && !shown {
            return ready(Ok(Self(None)));
        }
        let caller = Investigator::from_request(request, &mut Payload::None).into_inner();
        ready(caller.map(|investigator| Self(Some(investigator.0))))
    }
}
