//! Query parameters of single routes.

use serde::Deserialize;
use types::api::task::TaskState;
use types::{AgentUid, AskId, TeamId};
use utoipa::IntoParams;

/// Is how long an agent is ready to wait, what it is at, and what it calls its question.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WorkQuery {
    /// Seconds to wait for work when there is none, 0 to 60; 0 when absent.
    #[param(minimum = 0, maximum = 60)]
    pub(super) wait: Option<u64>,
    /// The runs that the agent is at, with commas between them, at most 64: their leases go on.
    pub(super) holds: Option<String>,
    /// Names this question; the work that it is answered with is leased under this name. A new one for each question.
    #[param(inline)]
    pub(super) ask: Option<AskId>,
    /// Whether the question of this name was asked before and had no answer: what was leased to it then comes again at
    /// once. Only with `ask`.
    pub(super) again: Option<bool>,
}

/// Is the code that a device shows, filled in by the link it gave.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ShownCode {
    /// The code; case and dashes do not matter.
    pub(super) code: Option<String>,
}

/// Is which agents are wanted, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AgentQuery {
    /// The team; all agents when absent.
    pub(super) team_id: Option<TeamId>,
    /// How many rows at most, 1 to 500; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<i64>,
    /// Where the page begins: `next` of the page before; the first page when absent.
    pub(super) cursor: Option<String>,
}

/// Is whose tasks are wanted, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TaskQuery {
    /// The agent; of all when absent.
    pub(super) agent_id: Option<AgentUid>,
    /// The state; any when absent.
    pub(super) state: Option<TaskState>,
    /// How many rows at most, 1 to 500; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<i64>,
    /// Where the page begins: `next` of the page before; the first page when absent.
    pub(super) cursor: Option<String>,
}
