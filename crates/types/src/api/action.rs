//! `/v1/actions`.

use crate::{ActionId, AgentId, AgentStatus, AgentUid, CommandId, Dispatch, OperationResult};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Is an action with the state of its run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActionView {
    /// The number.
    pub id: ActionId,
    /// What it is for.
    pub name: String,
    /// Which agents it is for.
    pub target: String,
    /// pending, scheduled, preparing, inflight, paused, completed, invalid, cancelled or expired.
    pub status: String,
    /// Why it is `paused`, `invalid`, `expired` or `cancelled`.
    pub reason: Option<String>,
    /// From when agents may run it.
    #[serde(with = "time::serde::rfc3339")]
    pub valid_from: OffsetDateTime,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    pub expire_after: OffsetDateTime,
    /// When it was accepted.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// When its commands were made.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started: Option<OffsetDateTime>,
    /// When the last command ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished: Option<OffsetDateTime>,
    /// Upper-case hex fingerprints of the signers' primary keys.
    pub signers: Vec<String>,
    /// Its commands by state.
    pub counters: CommandCounters,
    /// How its commands are given out; null when all are at once.
    #[serde(default)]
    pub dispatch: Option<DispatchView>,
}

impl ActionView {
    /// Tells whether nothing more will happen to it but late answers.
    pub fn is_over(&self) -> bool {
        !matches!(
            self.status.as_str(),
            "pending" | "scheduled" | "preparing" | "inflight" | "paused"
        )
    }
}

/// Says how the commands of an action are to be given out, and how far that is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DispatchView {
    /// What was asked for.
    #[serde(flatten)]
    pub asked: Dispatch,
    /// The wave that is under way, from 1 on; 0 before the first.
    pub wave: i64,
    /// How many commands are held back for later; they count as waiting.
    pub held: i64,
}

/// Counts commands by state; `targeted` is always the sum of the other seven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommandCounters {
    /// All commands.
    pub targeted: i64,
    /// Not taken by their agent yet.
    pub waiting: i64,
    /// Taken by their agent, not answered.
    pub delivered: i64,
    /// Ended well.
    pub success: i64,
    /// Ended with a failure.
    pub failed: i64,
    /// Ran too long on the agent.
    pub timeout: i64,
    /// Not answered in time.
    pub expired: i64,
    /// Withdrawn by an investigator.
    pub cancelled: i64,
}

/// Is one command of an action with its results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommandView {
    /// The number.
    pub id: CommandId,
    /// The agent's number, `number` of `/v1/agents`.
    pub agent_id: AgentId,
    /// The agent's public id, `id` of `/v1/agents`; null where the agent is not known.
    #[serde(default)]
    pub agent_uid: Option<AgentUid>,
    /// The agent's name.
    pub agent_name: String,
    /// waiting, delivered, success, failed, timeout, expired or cancelled.
    pub status: String,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished: Option<OffsetDateTime>,
    /// One per operation, once it came back; hostile until shown escaped.
    pub results: Vec<OperationResult>,
}

/// Asks what a target would reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// The target, in the target language.
    pub target: String,
}

/// Says what a target would reach now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Preview {
    /// How many agents.
    pub count: i64,
    /// The first ten of them by name.
    pub sample: Vec<PreviewAgent>,
}

/// Is one agent of a [`Preview`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreviewAgent {
    /// The agent's number, `number` of `/v1/agents`.
    pub id: AgentId,
    /// The agent's public id, `id` of `/v1/agents`; always there, but for servers that did not tell it yet.
    #[serde(default)]
    pub uid: Option<AgentUid>,
    /// Its name.
    pub name: String,
    /// How alive it is.
    pub status: AgentStatus,
}
