//! Says in HTTP why a use case did not come about.

use crate::error::Error;
use actix_web::http::StatusCode;
use web::Problem;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(_) | Error::NoManifest => Self::not_found(error.to_string()),
            Error::Malformed(detail) => Self::malformed("input-malformed", detail),
            Error::Invalid { code: code @ "archive-too-large", pointer, detail } => {
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                Self::new(status, code, "The archive is too large", detail.as_str())
                    .fault(pointer, detail)
            }
            Error::Invalid { code, pointer, detail } => {
                Self::invalid(code, detail.as_str()).fault(pointer, detail)
            }
            Error::Conflict(detail) => Self::conflict("conflict", detail),
            Error::Loader => Self::unauthorized(error.to_string()),
            Error::Busy => Self::unavailable(error.to_string(), None),
            Error::Store(failure) => failure.into(),
            Error::Internal(source) => Self::internal(source),
        }
    }
}
