//! Why a use case did not come about.

use messaging::Outcome;
use store::Failure;

/// Says why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not do its part.
    #[error("the database failed")]
    Store(#[from] Failure),
    /// What is needed is not here yet; the same message will do later.
    #[error("not yet: {0}")]
    NotYet(&'static str),
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
            Error::NotYet(_) => Self::Retry(error.to_string()),
        }
    }
}
