//! Lists: `limit` and `cursor` in, items and the next cursor out.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use store::page::{self, CursorError};
use types::api::{DEFAULT_LIMIT, MAX_LIMIT, Page};
use utoipa::IntoParams;
use web::Problem;

/// Is which page of a list is wanted.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// How many rows at most, 1 to 500; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// Where the page begins: `next` of the page before; the first page when absent.
    cursor: Option<String>,
}

impl PageQuery {
    /// Takes the parameters of a list that has more than these.
    pub(super) fn new(limit: Option<i64>, cursor: Option<String>) -> Self {
        Self { limit, cursor }
    }

    /// Gives how many rows to show.
    pub(super) fn limit(&self) -> Result<i64, Problem> {
        match self.limit.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=MAX_LIMIT => Ok(limit),
            limit => {
                let detail = format!("{limit} is not in 1..={MAX_LIMIT}");
                Err(Problem::invalid("limit-invalid", format!("limit: {detail}"))
                    .fault("?limit", detail))
            }
        }
    }

    /// Gives how many rows to ask for: one more than are shown tells whether there is a next page.
    pub(super) fn rows(&self) -> Result<i64, Problem> {
        Ok(self.limit()? + 1)
    }

    /// Gives the key behind which the page begins.
    pub(super) fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        self.cursor.as_deref().map(page::decode).transpose().map_err(|error: CursorError| {
            Problem::malformed("cursor-invalid", error.to_string())
                .fault("?cursor", error.to_string())
        })
    }

    /// Makes the page of the rows that were found.
    pub(super) fn page<T, K: Serialize>(
        &self,
        rows: Vec<T>,
        key: impl FnOnce(&T) -> K,
    ) -> Result<Page<T>, Problem> {
        let limit = usize::try_from(self.limit()?).map_err(Problem::internal)?;
        let (items, next) = page::cut(rows, limit, key).map_err(Problem::internal)?;
        Ok(Page { items, next })
    }
}
