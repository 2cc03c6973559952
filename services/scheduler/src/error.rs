//! Why a use case did not come about.

use messaging::Outcome;
use store::Failure;
use types::api::problem::Fault;

/// Says why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The input does not parse at all.
    #[error("{0}")]
    Malformed(String),
    /// The input parses and is wrong.
    #[error("{detail}")]
    Invalid {
        /// A stable word for programs.
        code: &'static str,
        /// What is wrong, in one sentence.
        detail: String,
        /// Where.
        faults: Vec<Fault>,
    },
    /// What there is does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The database did not do its part.
    #[error("the database failed")]
    Store(#[from] Failure),
    /// What is needed is not here yet; the same message will do later.
    #[error("not yet: {0}")]
    NotYet(&'static str),
}

impl Error {
    /// Tells whether others held a lock for longer than was to be waited.
    pub(crate) fn is_held_up(&self) -> bool {
        matches!(self, Self::Store(Failure::Unavailable(cause)) if cause.to_string().contains("lock timeout"))
    }

    /// Says that the input is wrong at one place.
    pub(crate) fn invalid(
        code: &'static str,
        pointer: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let detail = detail.into();
        let faults = vec![Fault { pointer: pointer.into(), detail: detail.clone() }];
        Self::Invalid { code, detail, faults }
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
            Error::NotYet(_) => Self::Wait(error.to_string()),
            other => Self::Reject(other.to_string()),
        }
    }
}
