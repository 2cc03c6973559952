//! Manual steps: asked for by the scheduler, put before people and answered by manual-interaction.
//!
//! A withdrawal or an expiry may arrive before its request; `step` tells what belongs together. Of an answer, an expiry
//! and a withdrawal the one that manual-interaction wrote down first counts.

use super::Message;
use crate::{ExecutionId, StepRunId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Names the variable in which the signatures of a prepared action come: several are separated by spaces.
pub const SIGNATURES: &str = "__writ_signatures__";

/// A playbook reached a step that people are to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManualRequested {
    /// This run of the step.
    pub step: StepRunId,
    /// The execution it belongs to.
    pub execution_id: ExecutionId,
    /// The CACAO id of the playbook that owns the step: `playbook--<uuid>`.
    pub playbook_id: String,
    /// The playbook's name.
    #[serde(default)]
    pub playbook_name: String,
    /// The step's key in the workflow: `action--<uuid>`.
    pub step_id: String,
    /// Counts the runs of the same step in the same execution from 1 on.
    pub run: i32,
    /// The step's name.
    #[serde(default)]
    pub name: String,
    /// The step's description.
    #[serde(default)]
    pub description: String,
    /// What is to be done: one entry per command and target, variables filled in.
    pub commands: Vec<ManualCommand>,
    /// What is to be given back: the step's `out_args` with their values of now.
    #[serde(default)]
    pub out_args: Vec<CacaoVariable>,
    /// When the step began to wait.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// When it is too late.
    #[serde(with = "time::serde::rfc3339")]
    pub deadline: OffsetDateTime,
    /// The name of the investigator who is asked; absent for anyone who may respond.
    #[serde(default)]
    pub assignee: Option<String>,
}

/// Is one command of a manual step, towards one target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManualCommand {
    /// The type of the command: `manual`, or what an agent for manual steps was given.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text: `command_b64` as it is where the playbook has one, else `command`.
    #[serde(default)]
    pub command: String,
    /// Whether the text is Base64.
    #[serde(default)]
    pub base64: bool,
    /// The command's own description.
    #[serde(default)]
    pub description: String,
    /// The CACAO agent-target with its `id`, without credentials; absent when the step names none.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub target: Option<Value>,
}

/// Is a CACAO variable with its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CacaoVariable {
    /// The name: `__ticket__`.
    pub name: String,
    /// The CACAO type: `string`, `integer`, `ipv4-addr`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is for.
    #[serde(default)]
    pub description: String,
    /// The value of now; empty for none.
    #[serde(default)]
    pub value: String,
    /// Whether nobody may change it.
    #[serde(default)]
    pub constant: bool,
    /// Whether it comes from outside of the playbook.
    #[serde(default)]
    pub external: bool,
}

impl Message for ManualRequested {
    const KIND: &'static str = "manual.requested.v1";

    fn subject(&self) -> String {
        self.step.to_string()
    }
}

/// A manual step is needed no longer: nobody is to be asked any more, unless it ended before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManualWithdrawn {
    /// The run of the step.
    pub step: StepRunId,
    /// The execution it belongs to.
    pub execution_id: ExecutionId,
    /// Why: for people.
    pub reason: String,
}

impl Message for ManualWithdrawn {
    const KIND: &'static str = "manual.withdrawn.v1";

    fn subject(&self) -> String {
        self.step.to_string()
    }
}

/// Says how a manual step ended for those who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ManualOutcome {
    /// It was done.
    Success,
    /// It was not done, or refused: the step fails.
    Failure,
}

impl ManualOutcome {
    /// Gives the word on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }

    /// Reads the word back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Success, Self::Failure].into_iter().find(|outcome| outcome.name() == name)
    }
}

/// Somebody answered a manual step, in time and first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManualAnswered {
    /// The run of the step.
    pub step: StepRunId,
    /// The execution it belongs to.
    pub execution_id: ExecutionId,
    /// How it ended.
    pub outcome: ManualOutcome,
    /// The values by name, checked against their declared types: all `out_args` on success; constants keep what they
    /// had.
    pub variables: BTreeMap<String, String>,
    /// The name of the investigator; `anonymous` where nobody has to say who they are.
    pub answered_by: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Message for ManualAnswered {
    const KIND: &'static str = "manual.answered.v1";

    fn subject(&self) -> String {
        self.step.to_string()
    }
}

/// Nobody answered a manual step before its deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManualExpired {
    /// The run of the step.
    pub step: StepRunId,
    /// The execution it belongs to.
    pub execution_id: ExecutionId,
    /// When it was found to be too late.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Message for ManualExpired {
    const KIND: &'static str = "manual.expired.v1";

    fn subject(&self) -> String {
        self.step.to_string()
    }
}
