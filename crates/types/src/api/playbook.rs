//! `/v1/playbooks` and `/v1/executions`: CACAO playbooks and their runs.

use crate::{ExecutionId, InvestigatorId, StepRunId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Is one stored version of a playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlaybookView {
    /// The CACAO id: `playbook--<uuid>`.
    pub id: String,
    /// Tells its versions apart.
    #[serde(with = "time::serde::rfc3339")]
    pub modified: OffsetDateTime,
    /// The name.
    pub name: String,
    /// The description; empty without one.
    pub description: String,
    /// The labels.
    pub labels: Vec<String>,
    /// Lower-case hex of the SHA-256 of the document as it came.
    pub sha256: String,
    /// From when on it may run.
    #[serde(with = "time::serde::rfc3339::option")]
    pub valid_from: Option<OffsetDateTime>,
    /// When it may run no more.
    #[serde(with = "time::serde::rfc3339::option")]
    pub valid_until: Option<OffsetDateTime>,
    /// Whether its author took it back: it may not run.
    pub revoked: bool,
    /// When it was stored.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// Who stored it; absent where nobody has to say who they are.
    pub created_by: Option<InvestigatorId>,
    /// The document; in lists it is left out, and byte for byte it is at `…/document`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub playbook: Option<Value>,
}

/// Asks for a run of a playbook: of a stored one, or of one that comes with the request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExecution {
    /// A stored playbook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playbook_id: Option<String>,
    /// The `modified` of the version; the newest when absent.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    pub version: Option<OffsetDateTime>,
    /// A playbook that is not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub playbook: Option<Value>,
    /// Values of external variables by name: a text, or an object with `value` and `type`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub variables: BTreeMap<String, Value>,
}

/// Is one run of a playbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExecutionView {
    /// The id.
    pub id: ExecutionId,
    /// The playbook's CACAO id.
    pub playbook_id: String,
    /// The playbook's name.
    pub name: String,
    /// One of `running`, `waiting`, `succeeded`, `failed`, `cancelled`.
    pub state: String,
    /// Whether the failure was taken by the playbook's `workflow_exception`.
    pub handled: bool,
    /// Why it failed or was cancelled.
    pub reason: Option<String>,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub ended: Option<OffsetDateTime>,
    /// Who began it; absent where nobody has to say who they are.
    pub started_by: Option<InvestigatorId>,
    /// The run of a playbook-action that began it.
    pub parent_step: Option<StepRunId>,
    /// The runs of its steps, oldest first.
    pub steps: Vec<StepRunView>,
    /// The playbook's variables as they are now, by name.
    #[schema(value_type = Object)]
    pub variables: Value,
}

/// Is one run of a step; in a loop the same step runs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepRunView {
    /// The id, the same as in `/v1/steps`.
    pub id: StepRunId,
    /// The step's key in the workflow.
    pub step_id: String,
    /// Counts the runs of this step from 1 on.
    pub run: i32,
    /// `action`, `while-condition`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The step's name; empty without one.
    pub name: String,
    /// One of `delayed`, `running`, `waiting`, `succeeded`, `failed`, `timeout`, `cancelled`.
    pub state: String,
    /// Why it failed.
    pub detail: Option<String>,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub ended: Option<OffsetDateTime>,
    /// What it gave back, by the names of variables.
    pub variables: BTreeMap<String, String>,
}
