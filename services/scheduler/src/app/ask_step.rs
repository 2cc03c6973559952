//! Puts a step before people.

use super::advance::Held;
use crate::domain::machine::action_of;
use crate::domain::playbook::Definitions;
use crate::domain::text;
use crate::domain::variable::Variables;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use time::OffsetDateTime;
use types::messages::ManualRequested;
use types::messages::manual::{CacaoVariable, ManualCommand};
use types::{ExecutionId, StepRunId};
use uuid::Uuid;

/// Says how many bytes all commands of one manual step may have, so that its message stays a usual one.
const MAX_TEXT: usize = 512 << 10;

/// Gives the request to do a run of a step.
pub(super) fn requested(
    held: &Held,
    step: Uuid,
    now: OffsetDateTime,
    patience: std::time::Duration,
) -> Result<ManualRequested, String> {
    let run = held.execution.open(step).ok_or("the step is over")?;
    let definition = held.playbook.steps.get(&run.step_id);
    let action = action_of(definition).ok_or("the step is no action")?;
    let scope = held.execution.scope(step);
    let mut commands = Vec::new();
    for position in 0..action.calls() {
        let Some((command, target)) = action.call(position) else { break };
        let filled = text::plain(&command.text, &scope);
        let base64 = command.base64.is_some();
        commands.push(ManualCommand {
            kind: command.kind.clone(),
            command: if base64 { STANDARD.encode(filled) } else { filled },
            base64,
            description: command.description.clone(),
            target: target.and_then(|id| shown(&held.playbook.targets, id, &scope)),
        });
    }
    let size: usize = commands.iter().map(|command| command.command.len()).sum();
    if size > MAX_TEXT {
        return Err(format!(
            "the commands have {size} bytes with their values; at most {MAX_TEXT} are put before people"
        ));
    }
    let timeout = definition.and_then(|step| step.timeout);
    let deadline = match timeout {
        Some(timeout) => now.saturating_add(timeout),
        None => now + patience,
    };
    Ok(ManualRequested {
        step: StepRunId(step),
        execution_id: ExecutionId(held.execution.id),
        playbook_id: held.row.playbook_id.clone(),
        playbook_name: held.row.name.clone(),
        step_id: run.step_id.clone(),
        run: run.run,
        name: run.name.clone(),
        description: definition.map(|step| step.description.clone()).unwrap_or_default(),
        commands,
        out_args: action.out_args.iter().filter_map(|name| out_arg(name, &scope)).collect(),
        created: now,
        deadline,
        assignee: None,
    })
}

fn out_arg(name: &str, scope: &Variables) -> Option<CacaoVariable> {
    let variable = scope.get(name)?;
    Some(CacaoVariable {
        name: name.to_owned(),
        kind: variable.kind.name().to_owned(),
        description: variable.description.clone(),
        value: variable.value().to_owned(),
        constant: variable.constant,
        external: variable.external,
    })
}

/// Gives a target with its id as people see it; it holds no credentials, these are defined elsewhere.
fn shown(targets: &Definitions, id: &str, scope: &Variables) -> Option<Value> {
    let mut target = targets.get(id)?.clone();
    if let Some(Value::Object(address)) = target.get_mut("address") {
        for value in address.values_mut().filter_map(Value::as_array_mut).flatten() {
            if let Value::String(written) = value {
                *written = text::plain(written, scope);
            }
        }
    }
    target.insert("id".into(), id.into());
    Some(Value::Object(target))
}
