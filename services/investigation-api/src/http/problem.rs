//! Says in HTTP why a use case did not come about.

use crate::error::Error;
use actix_web::http::StatusCode;
use web::Problem;

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(_) => Self::not_found(error.to_string()),
            Error::Malformed(detail) => Self::malformed("action-not-json", detail),
            Error::Invalid { code, pointer, detail } => {
                Self::invalid(code, detail.as_str()).fault(pointer, detail)
            }
            Error::Signature(_) => {
                let detail = error.to_string();
                Self::invalid("signature-invalid", detail.as_str()).fault("/pgpsignatures", detail)
            }
            // not the word of a missing permission, which every server notes for the audit: the use case has
            Error::Denied(detail) => {
                let status = StatusCode::FORBIDDEN;
                Self::new(status, "permission-not-held", "Not permitted", detail)
            }
            Error::Conflict(detail) => Self::conflict("conflict", detail),
            Error::Busy | Error::NotYet(_) => {
                Self::unavailable(format!("{error}; send the request again"), None)
            }
            Error::Store(failure) => failure.into(),
        }
    }
}
