//! Query parameters.

use serde::Deserialize;
use types::ExecutionId;
use types::api::step::StepState;
use utoipa::{IntoParams, ToSchema};

/// Says what the page shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Show {
    /// The steps that ended in this way, newest first; those that wait when absent.
    #[param(inline)]
    pub(super) state: Option<StepState>,
    /// Where the list begins.
    pub(super) cursor: Option<String>,
}

/// Says which steps are wanted, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StepQuery {
    /// `pending`, `answered`, `expired` or `cancelled`; all when absent.
    #[param(inline)]
    pub(super) state: Option<StepState>,
    /// Those of one execution.
    pub(super) execution_id: Option<ExecutionId>,
    /// Those of one playbook.
    pub(super) playbook_id: Option<String>,
    /// The runs of one step.
    pub(super) step_id: Option<String>,
    /// Those that this investigator is asked to do.
    pub(super) assignee: Option<String>,
    /// How many rows at most, 1 to 500; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<i64>,
    /// Where the page begins: `next` of the page before; the first page when absent.
    pub(super) cursor: Option<String>,
}

/// Says what became of a notification.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum NotificationState {
    Waiting,
    Sent,
    Dead,
}

/// Says which notifications are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct NotificationQuery {
    /// `waiting`, `sent` or `dead`; all when absent.
    #[param(inline)]
    pub(super) state: Option<NotificationState>,
    /// How many rows at most, 1 to 500; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<i64>,
    /// Where the page begins: `next` of the page before; the first page when absent.
    pub(super) cursor: Option<String>,
}
