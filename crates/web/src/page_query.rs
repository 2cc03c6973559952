//! Lists: `limit` and `cursor` in, items and the next cursor out.

use crate::Problem;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use store::page::{self, CursorError};
use types::api::{DEFAULT_LIMIT, MAX_LIMIT, Page};
use utoipa::IntoParams;

/// Is which page of a list is wanted.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many rows at most, 1 to 500; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// Where the page begins: `next` of the page before; the first page when absent.
    cursor: Option<String>,
}

impl PageQuery {
    /// Takes the parameters of a list that has more than these.
    pub fn new(limit: Option<i64>, cursor: Option<String>) -> Self {
        Self { limit, cursor }
    }

    /// Gives how many rows to show.
    pub fn limit(&self) -> Result<i64, Problem> {
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
    pub fn rows(&self) -> Result<i64, Problem> {
        Ok(self.limit()? + 1)
    }

    /// Gives the key behind which the page begins. A cursor that does not parse is malformed (surface.md §6).
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        self.cursor.as_deref().map(page::decode).transpose().map_err(|error: CursorError| {
            Problem::malformed("cursor-invalid", error.to_string())
                .fault("?cursor", error.to_string())
        })
    }

    /// Makes the page of the rows that were found.
    pub fn page<T, K: Serialize>(
        &self,
        rows: Vec<T>,
        key: impl FnOnce(&T) -> K,
    ) -> Result<Page<T>, Problem> {
        let limit = usize::try_from(self.limit()?).map_err(Problem::internal)?;
        let (items, next) = page::cut(rows, limit, key).map_err(Problem::internal)?;
        Ok(Page { items, next })
    }
}

#[cfg(test)]
mod tests {
    use super::PageQuery;

    #[test]
    fn what_does_not_parse_is_malformed_and_what_is_out_of_bounds_is_wrong() {
        for limit in [0, -1, 501] {
            let problem = PageQuery::new(Some(limit), None).limit().unwrap_err();
            assert_eq!(problem.status(), 422, "{limit}");
        }
        let query = PageQuery::new(None, Some("%%".into()));
        assert_eq!(query.after::<i64>().unwrap_err().status(), 400);
        let page = PageQuery::new(Some(1), None).page(vec![1, 2], |row| *row).unwrap();
        let next = PageQuery::new(None, page.next);
        assert_eq!((page.items, next.after().unwrap()), (vec![1], Some(1)));
    }
}
