//! How `/v1` says what went wrong: RFC 9457 `application/problem+json`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Tells a caller what was wrong, where, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the `code` tells kinds apart.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// The kind of problem in a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong with this request and what to do about it.
    pub detail: String,
    /// A stable word for programs, for example `target-invalid`.
    pub code: String,
    /// What to quote when asking the operators.
    pub request_id: String,
    /// Where in the input it is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}

/// Points at one fault of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// A JSON pointer into the body, or `?name` for a query parameter.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

fn about_blank() -> String {
    "about:blank".into()
}
