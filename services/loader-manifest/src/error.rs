//! Why a use case did not come about.

use messaging::Outcome;
use store::Failure;

/// Says why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The input does not parse at all.
    #[error("{0}")]
    Malformed(String),
    /// The input parses and is wrong at `pointer`.
    #[error("{detail}")]
    Invalid {
        /// A stable word for programs.
        code: &'static str,
        /// A JSON pointer into the body, or `?name`.
        pointer: String,
        /// What is wrong and what would be right.
        detail: String,
    },
    /// What there is does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The loader did not prove itself.
    #[error("Loader authorization failed")]
    Loader,
    /// There is nothing for this loader, or it is not where it should be; it is not told which.
    #[error("Unable to locate valid manifest for this loader entry")]
    NoManifest,
    /// There is more to do than can be done now.
    #[error("the service is busy; try again")]
    Busy,
    /// The database did not do its part.
    #[error("the database failed")]
    Store(#[from] Failure),
    /// A fault of ours.
    #[error("the service failed")]
    Internal(#[source] anyhow::Error),
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

    /// Says that something is wrong that no caller can mend.
    pub(crate) fn internal(error: impl Into<anyhow::Error>) -> Self {
        Self::Internal(error.into())
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
            Error::Internal(source) => Self::Reject(format!("{source:#}")),
            other => Self::Reject(other.to_string()),
        }
    }
}
