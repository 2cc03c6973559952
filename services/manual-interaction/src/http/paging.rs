//! Limits and cursors of the lists under `/v1`.

use serde::Serialize;
use store::page;
use types::api::{DEFAULT_LIMIT, MAX_LIMIT, Page};
use web::Problem;

/// Checks a `limit`.
pub(super) fn limit(asked: Option<i64>) -> Result<i64, Problem> {
    match asked.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        limit => {
            let detail = format!("{limit} is not a page size; use 1 to {MAX_LIMIT}");
            Err(Problem::invalid("limit-invalid", detail.as_str()).fault("?limit", detail))
        }
    }
}

/// Reads the key below which a page begins.
pub(super) fn before(cursor: Option<&str>) -> Result<i64, Problem> {
    let read = cursor.map(page::decode::<i64>).transpose().map_err(|error| {
        let detail = error.to_string();
        Problem::malformed("cursor-invalid", detail.as_str()).fault("?cursor", detail)
    })?;
    Ok(read.unwrap_or(i64::MAX))
}

/// Makes a page of `limit` rows out of one more.
pub(super) fn cut<T, K: Serialize>(
    rows: Vec<T>,
    limit: i64,
    key: impl FnOnce(&T) -> K,
) -> Result<Page<T>, Problem> {
    let limit = usize::try_from(limit).map_err(Problem::internal)?;
    let (items, next) = page::cut(rows, limit, key).map_err(Problem::internal)?;
    Ok(Page { items, next })
}
