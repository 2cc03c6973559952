//! The objects of SOARCA's manual API: what its documentation and its code say, both at once, and what both leave out
//! (specs/soarca/manual-api.md §4, §7, §8).

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use types::StepRunId;
use types::api::step::StepView;
use types::messages::manual::{CacaoVariable, ManualCommand};
use utoipa::ToSchema;

/// Is a step that waits.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PendingCommand {
    /// Always `manual-step-information`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The execution.
    execution_id: String,
    /// The playbook that owns the step.
    playbook_id: String,
    /// The step's key in the workflow.
    step_id: String,
    /// The command's description, else the step's.
    description: String,
    /// What is to be done; several commands are joined line by line.
    command: String,
    /// Whether the command is Base64.
    command_is_base64: bool,
    /// The same, there only when it is true.
    #[serde(skip_serializing_if = "Option::is_none")]
    commandb64: Option<bool>,
    /// The first target.
    #[schema(value_type = Object)]
    target: Value,
    /// All targets by id.
    #[schema(value_type = Object)]
    targets: Map<String, Value>,
    /// What is to be given back, by name.
    #[schema(value_type = Object)]
    out_args: BTreeMap<String, CacaoVariable>,
    /// All commands with their targets.
    commands: Vec<ManualCommand>,
    /// The step's name.
    step_name: String,
    /// The step's description.
    step_description: String,
    /// The playbook's name.
    playbook_name: String,
    /// This run of the step, as in `/v1/steps`.
    step_run_id: StepRunId,
    /// Counts the runs of the same step in the same execution.
    run: i32,
    /// When it began to wait.
    #[serde(with = "time::serde::rfc3339")]
    created: OffsetDateTime,
    /// When it is too late.
    #[serde(with = "time::serde::rfc3339")]
    deadline: OffsetDateTime,
    /// Who is asked; null for anyone who may respond.
    assignee: Option<String>,
}

impl From<StepView> for PendingCommand {
    fn from(step: StepView) -> Self {
        let mut commands: Vec<ManualCommand> = step.commands;
        for command in &mut commands {
            command.target = command.target.take().map(whole_target);
        }
        let base64 = commands.first().is_some_and(|command| command.base64);
        let mut texts: Vec<&str> = Vec::new();
        for command in &commands {
            // Base64 beside plain text would be neither
            if command.base64 == base64 && !texts.contains(&command.command.as_str()) {
                texts.push(&command.command);
            }
        }
        let texts = if base64 { texts.into_iter().take(1).collect() } else { texts };
        let described = commands.iter().map(|command| command.description.as_str());
        let described = described.into_iter().find(|text| !text.is_empty());
        let targets = commands.iter().filter_map(|command| {
            let target = command.target.as_ref()?;
            Some((target.get("id").and_then(Value::as_str)?.to_owned(), target.clone()))
        });
        let first = commands.iter().find_map(|command| command.target.clone());
        Self {
            kind: "manual-step-information",
            execution_id: step.execution_id.to_string(),
            playbook_id: step.playbook_id,
            step_id: step.step_id,
            description: described.unwrap_or(&step.description).to_owned(),
            command: texts.join("\n"),
            command_is_base64: base64,
            commandb64: base64.then_some(true),
            target: first.unwrap_or_else(|| whole_target(json!({"type": "", "name": ""}))),
            targets: targets.collect(),
            out_args: step.out_args.into_iter().map(|arg| (arg.name.clone(), arg)).collect(),
            step_name: step.name,
            step_description: step.description,
            playbook_name: step.playbook_name,
            step_run_id: step.id,
            run: step.run,
            created: step.created,
            deadline: step.deadline,
            assignee: step.assignee,
            commands,
        }
    }
}

/// Adds what is always there (specs/soarca/manual-api.md §6.2).
fn whole_target(mut target: Value) -> Value {
    if let Some(fields) = target.as_object_mut() {
        for (name, empty) in [
            ("type", json!("")),
            ("name", json!("")),
            ("location", json!({})),
            ("contact", json!({})),
        ] {
            fields.entry(name).or_insert(empty);
        }
    }
    target
}

/// Is what a caller says about a step; nothing else may be in it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Continue {
    /// Anything; `manual-step-response`.
    #[serde(rename = "type")]
    #[expect(dead_code, reason = "taken and not looked at, as in the original")]
    pub(super) kind: Option<String>,
    /// The execution.
    pub(super) execution_id: Option<String>,
    /// The playbook; when it is there it must be the step's.
    pub(super) playbook_id: Option<String>,
    /// The step.
    pub(super) step_id: Option<String>,
    /// `success` or `failure`.
    pub(super) response_status: Option<String>,
    /// The variables by name.
    #[schema(value_type = Option<Object>)]
    pub(super) response_out_args: Option<BTreeMap<String, GivenVariable>>,
}

/// Is a variable as a caller gives it; only its value counts.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GivenVariable {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) name: Option<String>,
    #[expect(dead_code, reason = "taken and not looked at, as documented")]
    description: Option<String>,
    pub(super) value: Option<String>,
    #[expect(dead_code, reason = "taken and not looked at, as documented")]
    #[serde(default, deserialize_with = "flag")]
    constant: (),
    #[expect(dead_code, reason = "taken and not looked at, as documented")]
    #[serde(default, deserialize_with = "flag")]
    external: (),
}

/// Takes a bool, also in quotes: SOARCA's own example has it so.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::String(text) if matches!(text.as_str(), "true" | "false") => Ok(()),
        other => Err(serde::de::Error::custom(format!("{other} is not true or false"))),
    }
}

/// Is the answer to an answer that was taken.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Taken {
    /// The execution.
    pub(super) execution_id: String,
    /// The playbook.
    pub(super) playbook_id: String,
    /// The playbook too, where SOARCA has it.
    pub(super) payload: String,
}

/// Is how SOARCA says what was wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GeneralError {
    /// The HTTP status as text.
    status: String,
    /// What was wrong.
    message: String,
    /// Method and path.
    #[serde(rename = "original-call")]
    original_call: String,
    /// Always empty.
    #[serde(rename = "downstream-call")]
    downstream_call: String,
    /// A stable word for programs.
    code: String,
}
