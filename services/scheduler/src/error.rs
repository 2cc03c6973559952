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
            Error::Store(Failure::Internal(cause)) => Self::Reject(cause.to_string()),
            other => Self::Retry(chain(&other)),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
