//! Puts a step before people.

use super::advance::Held;
use crate::domain::machine::action_of;
use crate::domain::playbook::Definitions;
use crate::domain::text;
use crate::domain::variable::Variables;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use types::messages::ManualRequested;
use types::messages::manual::{CacaoVariable, ManualCommand};
use types::{ExecutionId, Message, StepRunId};
use uuid::Uuid;

/// Says how many bytes a message of an execution may have before it is packed; the rest is for its envelope.
const MAX_MESSAGE: usize = messaging::MAX_BODY - (16 << 10);

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
    // each call may hold all of a large target and of large values: they are counted as they come
    let mut left = MAX_MESSAGE;
    let mut commands = Vec::new();
    for position in 0..action.calls() {
        let Some((command, target)) = action.call(position) else { break };
        let filled = text::plain(&command.text, &scope, left).map_err(|_large| too_large())?;
        let base64 = command.base64.is_some();
        let command = ManualCommand {
            kind: command.kind.clone(),
            command: if base64 { STANDARD.encode(filled) } else { filled },
            base64,
            description: command.description.clone(),
            target: match target {
                Some(id) => shown(&held.playbook.targets, id, &scope, left)?,
                None => None,
            },
        };
        left = left.checked_sub(size(&command)?).ok_or_else(too_large)?;
        commands.push(command);
    }
    let mut out_args = Vec::new();
    for variable in action.out_args.iter().filter_map(|name| out_arg(name, &scope)) {
        left = left.checked_sub(size(&variable)?).ok_or_else(too_large)?;
        out_args.push(variable);
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
        out_args,
        created: now,
        deadline,
        assignee: None,
    })
}

/// Checks that a message is not larger than one may be: it could never be sent, and its step would wait for ever.
pub(super) fn fits<M: Message>(message: M) -> Result<M, String> {
    if size(&message)? > MAX_MESSAGE { Err(too_large()) } else { Ok(message) }
}

fn too_large() -> String {
    format!(
        "the step has more than {MAX_MESSAGE} bytes with its values, targets and variables: so much cannot be sent"
    )
}

/// Gives the number of bytes that something has as JSON.
fn size(value: &impl Serialize) -> Result<usize, String> {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value)
        .map_err(|error| format!("the step cannot be written: {error}"))?;
    Ok(count.0)
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
fn shown(
    targets: &Definitions,
    id: &str,
    scope: &Variables,
    mut left: usize,
) -> Result<Option<Value>, String> {
    let Some(target) = targets.get(id) else { return Ok(None) };
    let mut target = target.clone();
    if let Some(Value::Object(address)) = target.get_mut("address") {
        for value in address.values_mut().filter_map(Value::as_array_mut).flatten() {
            if let Value::String(written) = value {
                *written = text::plain(written, scope, left).map_err(|_large| too_large())?;
                left = left.saturating_sub(written.len());
            }
        }
    }
    target.insert("id".into(), id.into());
    Ok(Some(Value::Object(target)))
}
