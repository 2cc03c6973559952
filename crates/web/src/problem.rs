//! What a handler says when it cannot do what it was asked.

use crate::{Dialect, render};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;
use store::Failure;
use types::api::problem::Fault;

/// Is an error on its way to a caller; the path's [`Dialect`] decides its form on the wire.
#[derive(Debug)]
pub struct Problem(Box<Parts>);

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) title: Cow<'static, str>,
    pub(crate) detail: String,
    pub(crate) faults: Vec<Fault>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) source: Option<anyhow::Error>,
}

impl Problem {
    /// Is the word for programs when the caller may not do this.
    pub const PERMISSION_MISSING: &'static str = "permission-missing";

    /// Says `detail` with `status`; `code` is a stable word for programs, `title` the kind of problem in a few words.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        title: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        Self(Box::new(Parts {
            status,
            code,
            title: title.into(),
            detail: detail.into(),
            faults: Vec::new(),
            retry_after: None,
            source: None,
        }))
    }

    /// Says that the request does not parse (400).
    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, "The request does not parse", detail)
    }

    /// Says that the request parses and is wrong (422).
    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, "The request is not valid", detail)
    }

    /// Says that there is no such thing, or that the caller may not know of it (404).
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    /// Says that the thing is not in a state for this (409).
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, "The state does not allow it", detail)
    }

    /// Says that the caller did not prove who it is (401).
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not authorized", detail)
    }

    /// Says that the caller may not do this; 403, and 401 under MIG paths as its clients expect.
    pub fn forbidden() -> Self {
        let detail = "Insufficient permissions to access endpoint";
        Self::new(StatusCode::FORBIDDEN, Self::PERMISSION_MISSING, "Not permitted", detail)
    }

    /// Hides a fault of ours behind an id (500); the whole chain goes to the log, once.
    pub fn internal(error: impl Into<anyhow::Error>) -> Self {
        let mut problem = Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error",
            "the service failed to answer; nothing is wrong with the request",
        );
        problem.0.source = Some(error.into());
        problem
    }

    /// Says that something we need is away for now (503, with `Retry-After`).
    pub fn unavailable(detail: impl Into<String>, error: Option<anyhow::Error>) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let mut problem = Self::new(status, "unavailable", "Not available at the moment", detail)
            .retry_after(Duration::from_secs(5));
        problem.0.source = error;
        problem
    }

    /// Says that no route answers the path or method; under MIG paths it looks as Go's router says it.
    pub fn no_route() -> Self {
        let detail = "no route answers this path and method";
        Self::new(StatusCode::NOT_FOUND, "no-route", "There is no such path", detail)
    }

    /// Points at a fault of the input: a JSON pointer into the body, or `?name`.
    #[must_use]
    pub fn fault(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.faults.push(Fault { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// Tells the caller when to come again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Gives the status as the handler chose it.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Gives the word for programs.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }
}

impl From<Failure> for Problem {
    /// Says that the database is away and what that means, or hides a fault of ours.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(cause) => Self::unavailable(
                "the database is not available now; nothing was changed",
                Some(anyhow::Error::from_boxed(cause)),
            ),
            // no time to come again at: who repeats it blindly may do it twice
            Failure::Uncertain(cause) => {
                let mut problem = Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "outcome-unknown",
                    "Not known what came of it",
                    "the database is not available now, and it is not known whether the change came about; look before \
                     you repeat it",
                );
                problem.0.source = Some(anyhow::Error::from_boxed(cause));
                problem
            }
            failure => Self::internal(failure),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    /// Gives the plain form; the server's outer layer, which knows the path, writes the final one.
    fn error_response(&self) -> HttpResponse {
        render::problem(self.parts(), Dialect::Plain, &render::Asked::default())
    }
}

#[cfg(test)]
mod tests {
    use super::Problem;
    use store::Failure;

    #[test]
    fn nothing_is_said_of_a_change_that_may_have_come_about() {
        let undone = Problem::from(Failure::Unavailable("gone".into()));
        assert!(undone.to_string().contains("nothing was changed"), "{undone}");
        let unknown = Problem::from(Failure::Uncertain("gone".into()));
        assert_eq!((unknown.status().as_u16(), unknown.code()), (503, "outcome-unknown"));
        assert!(unknown.to_string().contains("look before you repeat it"), "{unknown}");
        assert!(unknown.parts().retry_after.is_none());
    }
}
