//! `/agent/v1`: how Writ's own agents describe themselves, take work and answer.

use crate::{ActionId, CommandStatus, Environment, OperationResult, RunId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Describes the machine and the program: `PUT /agent/v1/self`, at start and when something changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentReport {
    /// The agent program's version, at most 128 bytes.
    pub version: String,
    /// The process id.
    pub pid: u32,
    /// The machine; `modules` are the built-in ones.
    pub environment: Environment,
}

/// Answers `GET /agent/v1/work?wait=<seconds ≤ 60>&ask=<uuid>`: work that is leased to the asking agent. With
/// `again=true` it is what was leased to it when it asked that before, if there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Work {
    /// What to run, oldest first; empty when the wait was over.
    pub items: Vec<WorkItem>,
}

/// Is one command, as its agent sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkItem {
    /// Names this run; the same each time the same command is handed out.
    pub run: RunId,
    /// The action, for the agent's own log.
    pub action: ActionId,
    /// The signed document, byte for byte; the agent verifies it for itself.
    pub document: String,
    /// Until when it is not handed out again.
    #[serde(with = "time::serde::rfc3339")]
    pub leased_until: OffsetDateTime,
}

/// Answers work: `POST /agent/v1/results`, at most 50 items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Returns {
    /// The answers.
    pub items: Vec<Return>,
}

/// Is the answer to one [`WorkItem`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Return {
    /// The run it answers.
    pub run: RunId,
    /// `success`, `failed` or `timeout`.
    pub status: CommandStatus,
    /// One per operation.
    pub results: Vec<OperationResult>,
}

/// Says what became of each answer, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipts {
    /// One per answer.
    pub items: Vec<Receipt>,
}

/// Says what became of one answer; the agent forgets the answer whichever it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// The run.
    pub run: RunId,
    /// What became of it.
    pub outcome: ReceiptOutcome,
}

/// Lists what can become of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptOutcome {
    /// Stored.
    Accepted,
    /// Was there already.
    Duplicate,
    /// Not a run of this agent, or not an answer.
    Refused,
}
