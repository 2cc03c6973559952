//! `/v1/steps`: manual steps, and who did what with them.

use crate::messages::manual::{CacaoVariable, ManualCommand, ManualOutcome};
use crate::{ExecutionId, InvestigatorId, StepRunId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Says where a manual step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Waits for an answer.
    Pending,
    /// Was answered in time.
    Answered,
    /// Was not answered in time.
    Expired,
    /// Is needed no longer.
    Cancelled,
}

impl StepState {
    /// Lists every state.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Answered, Self::Expired, Self::Cancelled];

    /// Gives the word on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Answered => "answered",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word back.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Is a manual step: one run of it, whatever its number of commands and targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepView {
    /// This run of the step.
    pub id: StepRunId,
    /// The execution it belongs to.
    pub execution_id: ExecutionId,
    /// The playbook that owns it.
    pub playbook_id: String,
    /// The playbook's name.
    pub playbook_name: String,
    /// The step's key in the workflow.
    pub step_id: String,
    /// Counts the runs of the same step in the same execution.
    pub run: i32,
    /// The step's name.
    pub name: String,
    /// The step's description.
    pub description: String,
    /// What is to be done.
    pub commands: Vec<ManualCommand>,
    /// What is to be given back, with the values from before.
    pub out_args: Vec<CacaoVariable>,
    /// Where it is.
    pub state: StepState,
    /// When it began to wait.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// When it is too late.
    #[serde(with = "time::serde::rfc3339")]
    pub deadline: OffsetDateTime,
    /// Who is asked; anyone may answer who may respond at all.
    pub assignee: Option<String>,
    /// Who answered.
    pub answered_by: Option<String>,
    /// When.
    #[serde(with = "time::serde::rfc3339::option")]
    pub answered_at: Option<OffsetDateTime>,
    /// What the answer was.
    pub answer: Option<StepAnswer>,
}

/// Is an answer to a manual step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepAnswer {
    /// `success`, or `failure`: the step fails.
    pub outcome: ManualOutcome,
    /// The values by name: all `out_args` on success but constants.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// Is a manual step with its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepDetail {
    /// The step.
    #[serde(flatten)]
    pub step: StepView,
    /// What happened to it, oldest first.
    pub events: Vec<StepEvent>,
}

/// Is something that happened to a manual step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepEvent {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// `requested`, `claimed`, `released`, `assigned`, `escalated`, `commented`, `answered`, `expired` or `cancelled`.
    pub what: String,
    /// Who; absent where the house itself did it.
    pub by: Option<String>,
    /// Their number; absent where nobody had to say who they are.
    pub investigator: Option<InvestigatorId>,
    /// The address it came from.
    pub address: Option<String>,
    /// The way it came: `soarca`, `api` or `page`.
    pub channel: Option<String>,
    /// The comment, the new assignee, the outcome, or the reason.
    pub text: String,
}

/// Says who is to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepAssignment {
    /// The name of an active investigator with `manual_respond`.
    pub assignee: String,
}

/// Is a comment on a manual step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepComment {
    /// The text, 1 to 4,000 characters.
    pub text: String,
}

/// Is a notification that is under way, was sent, or could not be delivered for 24 hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepNotification {
    /// The event id, as in the header `Writ-Event-Id`.
    pub id: Uuid,
    /// The step it tells of.
    pub step: StepRunId,
    /// `step.new`, `step.due` or `step.expired`.
    pub event: String,
    /// `webhook` or `mail`.
    pub channel: String,
    /// `waiting`, `sent` or `dead`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When the event was.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// When it is tried next, while it is waiting.
    #[serde(with = "time::serde::rfc3339")]
    pub due: OffsetDateTime,
    /// When it was sent.
    #[serde(with = "time::serde::rfc3339::option")]
    pub sent: Option<OffsetDateTime>,
    /// Why the last try failed.
    pub error: Option<String>,
}
