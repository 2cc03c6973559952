//! Who asks: an investigator, proved by a signed token or an API key (specs/mig/auth.md).

use crate::{Problem, Witness};
use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use auth::{Caller, Replica};
use std::future::{Ready, ready};
use std::ops::Deref;
use std::time::Duration;
use types::{Clock, Permission};

/// Is the investigator who sent the request. Changing anything needs keys that are known to be fresh.
#[derive(Debug, Clone)]
pub struct Investigator(pub Caller);

impl Investigator {
    /// Gives who sent the request, if they may do this.
    pub fn who_may(request: &HttpRequest, permission: Permission) -> Result<Caller, Problem> {
        let asking = Self(identify(request)?);
        asking.require(permission)?;
        Ok(asking.0)
    }

    /// Refuses a caller who may not do this.
    pub fn require(&self, permission: Permission) -> Result<(), Problem> {
        if self.0.permissions.has(permission) {
            return Ok(());
        }
        tracing::debug!(
            investigator.id = self.0.id.0,
            permission = permission.name(),
            "permission missing"
        );
        Err(Problem::forbidden())
    }
}

impl Deref for Investigator {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl FromRequest for Investigator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(identify(request).map(Self))
    }
}

fn identify(request: &HttpRequest) -> Result<Caller, Problem> {
    let (Some(replica), Some(clock)) =
        (request.app_data::<web::Data<Replica>>(), request.app_data::<web::Data<Clock>>())
    else {
        return Err(Problem::internal(anyhow::anyhow!("the server was set up without a replica")));
    };
    let now = clock.now();
    let keyring = replica.current();
    let caller = credential(request).and_then(|credential| {
        let caller = match credential {
            Credential::Token(token) => replica.by_token(token, now),
            Credential::ApiKey(key) => keyring.by_api_key(key),
        };
        caller.map_err(|error| {
            Problem::unauthorized(format!("Authorization verification failed with error '{error}'"))
        })
    });
    let caller = caller.inspect_err(|problem| Witness::tell_refused_login(request, problem))?;
    // for the witness, once it is known how the request ended
    request.extensions_mut().insert(caller.clone());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads && !replica.is_fresh(now) {
        let detail = "the investigators' keys may be out of date here, so nothing is changed; \
                      try again when investigation-api is heard again";
        return Err(Problem::unavailable(detail, None).retry_after(Duration::from_secs(30)));
    }
    Ok(caller)
}

enum Credential<'a> {
    Token(&'a str),
    ApiKey(&'a str),
}

/// Finds the one credential that counts: a signed token, else an API key, else the same key as a bearer token.
fn credential(request: &HttpRequest) -> Result<Credential<'_>, Problem> {
    let header = |name: &str| match request.headers().get(name).map(|value| value.to_str()) {
        Some(Ok(value)) => value,
        Some(Err(_)) => "unreadable",
        None => "",
    };
    let (token, key) = (header("x-pgpauthorization"), header("x-migapikey"));
    if !token.is_empty() {
        return Ok(Credential::Token(token));
    }
    if !key.is_empty() {
        return Ok(Credential::ApiKey(key));
    }
    match header("authorization").split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Credential::ApiKey(key.trim()))
        }
        _ => Err(Problem::unauthorized("Valid authentication header not found")),
    }
}
