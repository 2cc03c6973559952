//! Says in HTTP why a use case did not come about.

use crate::error::Error;
use web::Problem;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(detail) => Self::not_found(detail),
            Error::Malformed(detail) => Self::malformed("input-malformed", detail),
            Error::Invalid { code, detail, faults } => {
                let problem = Self::invalid(code, detail);
                faults
                    .into_iter()
                    .fold(problem, |problem, fault| problem.fault(fault.pointer, fault.detail))
            }
            Error::Conflict(detail) => Self::conflict("conflict", detail),
            Error::Store(failure) => failure.into(),
            Error::NotYet(_) => Self::unavailable(error.to_string(), None),
        }
    }
}
