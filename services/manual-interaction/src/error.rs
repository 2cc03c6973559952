//! Why a use case did not come about.

use crate::domain::answer::Fault;
use messaging::Outcome;
use store::Failure;

/// Says why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The input parses and is wrong.
    #[error("{}", crate::domain::answer::told(.0))]
    Invalid(Vec<Fault>),
    /// The step does not wait, and was not answered either.
    #[error("{0}")]
    NotPending(String),
    /// Somebody else was first.
    #[error("the step was answered already, by {by}")]
    AlreadyAnswered {
        /// Who was.
        by: String,
    },
    /// Somebody else has taken the step.
    #[error("the step is {0}'s; they release it, or somebody assigns it")]
    Taken(String),
    /// The database did not do its part.
    #[error("the database failed")]
    Store(#[from] Failure),
    /// A fault of ours.
    #[error("the service failed")]
    Internal(#[source] anyhow::Error),
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
            Error::Internal(source) => Self::Reject(format!("{source:#}")),
            other => Self::Reject(other.to_string()),
        }
    }
}
