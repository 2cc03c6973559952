//! What SOARCA's front ends read of an answer; members that they do not know they leave out.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Is what a trigger answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Began {
    pub(crate) execution_id: String,
    pub(crate) payload: String,
}

/// Is a pending command, by the documentation (Go) and by the code (TypeScript).
#[derive(Debug, Deserialize)]
pub(crate) struct Pending {
    pub(crate) execution_id: String,
    pub(crate) playbook_id: String,
    pub(crate) step_id: String,
    pub(crate) command: String,
    pub(crate) command_is_base64: bool,
    pub(crate) commandb64: Option<bool>,
    pub(crate) target: Target,
    pub(crate) targets: BTreeMap<String, Target>,
    pub(crate) out_args: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
}

/// Is what an answer to a step is answered with.
#[derive(Debug, Deserialize)]
pub(crate) struct Taken {
    pub(crate) execution_id: String,
}

/// Is an error: shown as `status: message`.
#[derive(Debug, Deserialize)]
pub(crate) struct Failed {
    pub(crate) status: String,
    pub(crate) message: String,
}

/// Is a report of an execution.
#[derive(Debug, Deserialize)]
pub(crate) struct Report {
    pub(crate) status: String,
    pub(crate) started: String,
    pub(crate) ended: String,
    pub(crate) step_results: BTreeMap<String, StepReport>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StepReport {
    pub(crate) status: String,
}
