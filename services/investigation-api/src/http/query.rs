//! Query parameters.

use serde::Deserialize;
use utoipa::IntoParams;

/// Says which commands of an action are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CommandQuery {
    /// Only those that are waiting, delivered, success, failed, timeout, expired or cancelled.
    pub(super) status: Option<String>,
    /// How many rows at most, 1 to 500; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<i64>,
    /// Where the page begins: `next` of the page before; the first page when absent.
    pub(super) cursor: Option<String>,
}
