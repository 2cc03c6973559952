//! Limits and cursors of the lists under `/v1`.

use serde::Deserialize;
use types::api::{DEFAULT_LIMIT, MAX_LIMIT};
use web::Problem;

/// Says which page of a list is wanted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paging {
    /// How many rows, 1–500; 100 when absent.
    limit: Option<i64>,
    /// Where the page starts: the `next` of the page before.
    pub(crate) cursor: Option<String>,
}

/// Checks a `limit`.
pub(crate) fn limit(asked: Option<i64>) -> Result<i64, Problem> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        Some(limit) => {
            let detail = format!("{limit} is not a page size; use 1 to {MAX_LIMIT}");
            Err(Problem::invalid("limit-invalid", detail.as_str()).fault("?limit", detail))
        }
    }
}

impl Paging {
    /// Gives the checked page size.
    pub(crate) fn limit(&self) -> Result<i64, Problem> {
        limit(self.limit)
    }
}
