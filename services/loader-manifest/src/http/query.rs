//! Query parameters.

use serde::Deserialize;
use types::ManifestStatus;
use utoipa::IntoParams;

/// Says which loaders of a rollout are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RolloutQuery {
    /// `behind`, `offered`, `fetching`, `taken`, `failed` or `passed`.
    pub(super) state: Option<String>,
    /// How many rows at most, 1 to 500; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<i64>,
    /// Where the page begins: `next` of the page before; the first page when absent.
    pub(super) cursor: Option<String>,
}

/// Says which manifests are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ManifestQuery {
    /// Only those that are staged, active or disabled.
    pub(super) status: Option<ManifestStatus>,
    /// How many rows at most, 1 to 500; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<i64>,
    /// Where the page begins: `next` of the page before; the first page when absent.
    pub(super) cursor: Option<String>,
}
