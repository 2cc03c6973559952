//! Why a use case did not come about.

use auth::AuthError;
use messaging::Outcome;
use store::Failure;

/// Says why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("{0} not found")]
    NotFound(String),
    /// The input does not parse at all.
    #[error("{0}")]
    Malformed(String),
    /// The input parses and is wrong at `pointer`.
    #[error("{detail}")]
    Invalid {
        /// A stable word for programs.
        code: &'static str,
        /// A JSON pointer into the body.
        pointer: String,
        /// What is wrong and what would be right.
        detail: String,
    },
    /// The signatures of an action do not count.
    #[error("{0}")]
    Signature(AuthError),
    /// The caller may not do this to that.
    #[error("{0}")]
    Denied(String),
    /// What there is does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// There is more to do than can be done now.
    #[error("the service is busy")]
    Busy,
    /// What is needed is not here yet; the same message will do later.
    #[error("not yet: {0}")]
    NotYet(&'static str),
    /// The database did not do its part.
    #[error("the database failed")]
    Store(#[from] Failure),
}

impl Error {
    /// Says that the input is wrong at `pointer`.
    pub(crate) fn invalid(
        code: &'static str,
        pointer: &str,
        detail: impl std::fmt::Display,
    ) -> Self {
        Self::Invalid { code, pointer: pointer.into(), detail: detail.to_string() }
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(failure) => failure.into(),
            Error::Busy => Self::Retry(error.to_string()),
            // whoever sends what is waited for may be away for long (proto-docs/decisions/0004)
            Error::NotYet(_) => Self::Wait(error.to_string()),
            other => Self::Reject(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn to_wait_for_another_message_is_no_failure() {
        assert!(matches!(Outcome::from(Error::NotYet("x")), Outcome::Wait(_)));
        assert!(matches!(Outcome::from(Error::Busy), Outcome::Retry(_)));
        assert!(matches!(Outcome::from(Error::Conflict("x".into())), Outcome::Reject(_)));
    }
}
