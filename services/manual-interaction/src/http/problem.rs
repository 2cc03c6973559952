//! Says in HTTP why a use case did not come about.

use crate::error::Error;
use web::Problem;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let told = error.to_string();
        match error {
            Error::NotFound(_) => Self::not_found(told),
            Error::Invalid(faults) => {
                let problem = Self::invalid("invalid", told);
                faults
                    .into_iter()
                    .fold(problem, |problem, fault| problem.fault(fault.pointer, fault.detail))
            }
            Error::NotPending(_) => Self::conflict("not-pending", told),
            Error::AlreadyAnswered { .. } => Self::conflict("already-answered", told),
            Error::Taken(_) => Self::conflict("taken", told),
            Error::Store(failure) => failure.into(),
            Error::Internal(source) => Self::internal(source),
        }
    }
}

/// Says it as SOARCA's clients know it: every refusal of an answer is a 400, told apart by its code.
pub(super) fn soarca(error: Error) -> Problem {
    let told = format!("Failed to post the continue request: {error}");
    match error {
        Error::Invalid(_) => Problem::malformed("invalid", told),
        Error::NotPending(_) => Problem::malformed("not-pending", told),
        Error::AlreadyAnswered { .. } => Problem::malformed("already-answered", told),
        other => other.into(),
    }
}
