//! What can go wrong in the app layer.

use messaging::Outcome;
use std::time::Duration;
use store::Failure;
use types::api::problem::Fault;
use web::Problem;

/// Says why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or the caller may not know of it.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The input parses and is wrong.
    #[error("the input is not valid")]
    Invalid(Vec<Fault>),
    /// The thing is not in a state for this.
    #[error("{detail}")]
    Conflict {
        /// A stable word for programs.
        code: &'static str,
        /// What stands against it.
        detail: &'static str,
    },
    /// The device flow answers so (RFC 6749 §5.2, RFC 8628 §3.5).
    #[error("{error}: {detail}")]
    Device {
        /// The error code.
        error: &'static str,
        /// What it means, for people.
        detail: &'static str,
    },
    /// The agent's token is unknown or was revoked.
    #[error("the access token is unknown or was revoked")]
    Token,
    /// No agent is known by the address that it asks from.
    #[error("no agent is known by this address")]
    Address,
    /// A message breaks a rule.
    #[error("the message breaks a rule: {0}")]
    Message(String),
    /// The database is not available.
    #[error("the database is not available now")]
    Unavailable(#[source] anyhow::Error),
    /// A fault of ours.
    #[error("the service failed")]
    Internal(#[source] anyhow::Error),
}

impl Error {
    /// Says the same of an error of ours to another one who waited for the same.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Unavailable(source) => Self::Unavailable(anyhow::anyhow!("{source:#}")),
            Self::Internal(source) => Self::Internal(anyhow::anyhow!("{source:#}")),
            other => Self::Internal(anyhow::anyhow!("{other}")),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        if failure.is_transient() {
            Self::Unavailable(failure.into())
        } else {
            Self::Internal(failure.into())
        }
    }
}

impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        Failure::from(error).into()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(what) => Self::not_found(format!("there is no such {what}")),
            Error::Invalid(faults) => {
                let told = faults
                    .iter()
                    .map(|fault| format!("{} {}", place(&fault.pointer), fault.detail));
                let problem = Self::invalid("input-invalid", told.collect::<Vec<_>>().join("; "));
                faults
                    .into_iter()
                    .fold(problem, |problem, fault| problem.fault(fault.pointer, fault.detail))
            }
            Error::Conflict { code, detail } => Self::conflict(code, detail),
            Error::Device { error, detail } => Self::malformed(error, detail),
            Error::Token => Self::unauthorized(
                "the access token is missing, unknown or was revoked; enrol again",
            ),
            Error::Address => Self::unauthorized(
                "no agent is known by the address that this comes from; enrol it",
            ),
            Error::Message(reason) => Self::internal(anyhow::anyhow!(reason)),
            Error::Unavailable(source) => match source.downcast::<Failure>() {
                Ok(failure @ Failure::Uncertain(_)) => failure.into(),
                Ok(failure) => away(failure.into()),
                Err(source) => away(source),
            },
            Error::Internal(source) => Self::internal(source),
        }
    }
}

fn away(source: anyhow::Error) -> Problem {
    Problem::unavailable("the database is not available now", Some(source))
        .retry_after(Duration::from_secs(2))
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the body" } else { pointer }
}

impl From<Error> for Outcome {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(source) => Self::Retry(format!("{source:#}")),
            Error::Message(reason) => Self::Reject(reason),
            Error::Internal(source) => Self::Reject(format!("{source:#}")),
            other => Self::Reject(other.to_string()),
        }
    }
}
