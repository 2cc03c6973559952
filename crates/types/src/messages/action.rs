//! Actions: accepted and cancelled by investigation-api, run by the scheduler.

use super::Message;
use crate::{ActionId, Dispatch, ExecutionId, InvestigatorId, StepRunId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// A signed action was accepted; the scheduler verifies its signatures again before anything runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActionAccepted {
    /// The number it was given.
    pub id: ActionId,
    /// The document, byte for byte as it was posted.
    pub document: String,
    /// Who posted it.
    pub posted_by: InvestigatorId,
    /// When it was accepted.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// How its commands are to be given out; absent for all at once.
    #[serde(default)]
    pub dispatch: Option<Dispatch>,
    /// The execution of a playbook that proposed it; absent for an action of an investigator.
    #[serde(default)]
    pub execution_id: Option<ExecutionId>,
    /// The run of the step that proposed it.
    #[serde(default)]
    pub step: Option<StepRunId>,
}

impl Message for ActionAccepted {
    const KIND: &'static str = "action.accepted.v1";

    fn subject(&self) -> String {
        self.id.to_string()
    }
}

/// A playbook wants an action to run that investigators have signed; answered by `action.accepted` or `action.refused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionProposed {
    /// The document with its signatures; nothing in the house can make them.
    pub document: String,
    /// The execution.
    pub execution_id: ExecutionId,
    /// The run of the step.
    pub step: StepRunId,
}

impl Message for ActionProposed {
    const KIND: &'static str = "action.proposed.v1";

    fn subject(&self) -> String {
        self.step.to_string()
    }
}

/// A proposed action was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionRefused {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The run of the step.
    pub step: StepRunId,
    /// Why, for people.
    pub reason: String,
}

impl Message for ActionRefused {
    const KIND: &'static str = "action.refused.v1";

    fn subject(&self) -> String {
        self.step.to_string()
    }
}

/// An investigator withdrew an action: its open commands end as cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionCancelled {
    /// The action.
    pub id: ActionId,
    /// Who withdrew it.
    pub by: InvestigatorId,
}

impl Message for ActionCancelled {
    const KIND: &'static str = "action.cancelled.v1";

    fn subject(&self) -> String {
        self.id.to_string()
    }
}

/// An investigator pauses the run of an action, or lets it go on: while it is paused, no more commands are given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionSteered {
    /// The action.
    pub id: ActionId,
    /// Whether it is to be paused; otherwise it goes on.
    pub paused: bool,
    /// Who wants it.
    pub by: InvestigatorId,
    /// When; of two orders the later one counts.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Message for ActionSteered {
    const KIND: &'static str = "action.steered.v1";

    fn subject(&self) -> String {
        self.id.to_string()
    }
}

/// Counts the commands of a run; `targeted` is the sum of those open and those ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RunCounters {
    /// All commands.
    pub targeted: i64,
    /// Ended well.
    pub success: i64,
    /// Ended with a failure.
    pub failed: i64,
    /// Ran too long on the agent.
    pub timeout: i64,
    /// Not answered in time.
    pub expired: i64,
    /// Withdrawn.
    pub cancelled: i64,
}

impl RunCounters {
    /// Gives how many commands ended.
    pub fn done(&self) -> i64 {
        self.success + self.failed + self.timeout + self.expired + self.cancelled
    }
}

/// The run of an action changed; a copy keeps the highest `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActionChanged {
    /// The action.
    pub id: ActionId,
    /// One of MIG's words: pending, scheduled, preparing, inflight, completed, invalid; and paused, cancelled, expired.
    pub status: String,
    /// Why it is `paused`, `invalid`, `expired` or `cancelled`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Its commands by state.
    pub counters: RunCounters,
    /// When its commands were made.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub started: Option<OffsetDateTime>,
    /// When the last one ended.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub finished: Option<OffsetDateTime>,
    /// When this was so.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Grows with each change of this run.
    pub version: i64,
    /// The wave that is under way, from 1 on; 0 before the first, or when all commands are given out at once.
    #[serde(default)]
    pub wave: i64,
    /// How many commands are held back for later.
    #[serde(default)]
    pub held: i64,
}

impl Message for ActionChanged {
    const KIND: &'static str = "action.changed.v1";

    fn subject(&self) -> String {
        self.id.to_string()
    }
}
