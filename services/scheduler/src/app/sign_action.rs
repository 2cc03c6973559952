//! The fleet step: an action is prepared, investigators sign it through a manual step, and it is proposed like one of
//! theirs. Nothing on the server side can sign.

use super::App;
use super::advance::Held;
use crate::domain::execution::Values;
use crate::domain::machine::{Failure, action_of};
use crate::domain::text;
use crate::domain::variable::Variables;
use crate::error::Error;
use crate::store::executions::{execution_lock, step_link};
use serde_json::{Map, Value};
use store::Conn;
use time::{Duration, OffsetDateTime};
use types::messages::manual::{CacaoVariable, ManualCommand, SIGNATURES};
use types::messages::{ActionAccepted, ActionRefused, ManualRequested};
use types::{Action, Envelope, ExecutionId, StepRunId};
use uuid::Uuid;

/// How long an action is valid when its step has no time-out: for signing and for running.
const VALID: Duration = Duration::hours(24);

/// Says why signatures were not taken.
pub(super) struct Unsigned {
    /// Whether a signer is not known here, whose key may be on its way.
    pub(super) unknown: bool,
    pub(super) detail: String,
}

fn wrong(detail: impl Into<String>) -> Unsigned {
    Unsigned { unknown: false, detail: detail.into() }
}

impl App {
    /// Prepares the action of a fleet step, and gives the request to sign it.
    pub(super) fn prepare_action(
        held: &mut Held,
        step: Uuid,
        now: OffsetDateTime,
    ) -> Result<ManualRequested, String> {
        let run = held.execution.open(step).ok_or("the step is over")?;
        let definition = held.playbook.steps.get(&run.step_id);
        let prepared = action_of(definition).and_then(|action| action.commands.first());
        let prepared =
            prepared.and_then(|command| command.action.as_ref()).ok_or("the step has no action")?;
        let (action, before) = if let Some(document) = &run.document {
            // the same as before, until the same time
            let action = Action::parse(document.as_bytes()).map_err(|error| error.to_string())?;
            if action.expireafter <= now {
                return Err("it was not signed in time".into());
            }
            let mut others = held.execution.steps.iter();
            let before = others.find(|one| one.step_id == run.step_id && one.run + 1 == run.run);
            let before = before
                .and_then(|one| one.detail.as_deref())
                .map(|detail| format!("The answer before was not taken: {detail}. "));
            (action, before.unwrap_or_default())
        } else {
            let timeout = definition.and_then(|step| step.timeout).unwrap_or(VALID);
            let scope = held.execution.scope(step);
            (prepare(prepared, &scope, now, now.saturating_add(timeout))?, String::new())
        };
        let document = serde_json::to_string(&action)
            .map_err(|error| format!("the action cannot be written: {error}"))?;
        let request = ManualRequested {
            step: StepRunId(step),
            execution_id: ExecutionId(held.execution.id),
            playbook_id: held.row.playbook_id.clone(),
            playbook_name: held.row.name.clone(),
            step_id: run.step_id.clone(),
            run: run.run,
            name: run.name.clone(),
            description: definition.map(|step| step.description.clone()).unwrap_or_default(),
            commands: vec![ManualCommand {
                kind: "manual".into(),
                command: document.clone(),
                description: format!(
                    "{before}Read this action. If it is to run on the fleet, `writ step sign {step}` signs it and gives the answer; \
                     whoever signs by other means gives each signature, as in pgpsignatures, in {SIGNATURES}, several \
                     separated by spaces."
                ),
                ..ManualCommand::default()
            }],
            out_args: vec![CacaoVariable {
                name: SIGNATURES.into(),
                kind: "string".into(),
                description: "the detached OpenPGP signatures of the action".into(),
                ..CacaoVariable::default()
            }],
            created: now,
            deadline: action.expireafter,
            assignee: None,
        };
        if let Some(run) = held.execution.open_mut(step) {
            run.document = Some(document);
            run.deadline = None;
        }
        Ok(request)
    }

    /// Puts signatures into the action that was prepared.
    pub(super) fn with_signatures(
        &self,
        held: &Held,
        step: Uuid,
        values: &Values,
    ) -> Result<String, Unsigned> {
        let run = held.execution.open(step).ok_or_else(|| wrong("the step is over"))?;
        let document =
            run.document.as_deref().ok_or_else(|| wrong("the action was not prepared"))?;
        let given = values.get(SIGNATURES).map(String::as_str).unwrap_or_default();
        let signatures: Vec<String> = given
            .split([' ', ',', '\n', '\r', '\t'])
            .filter(|one| !one.is_empty())
            .map(ToOwned::to_owned)
            .collect();
        if signatures.is_empty() {
            return Err(wrong(format!("{SIGNATURES} holds no signature")));
        }
        let mut action = Action::parse(document.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        action.pgpsignatures = Some(signatures);
        // known before it travels: a wrong signature is this answer's fault
        let verified = self.replica.current().verify_action(&action, self.clock.now());
        verified.map_err(|error| Unsigned {
            unknown: error.is_unknown_signer(),
            detail: format!("signature: {error}"),
        })?;
        serde_json::to_string(&action)
            .map_err(|error| wrong(format!("the action cannot be written: {error}")))
    }

    /// Links an accepted action with the step that proposed it; tells whether it is wanted still.
    pub(super) async fn link_action(
        &self,
        conn: &mut Conn,
        accepted: &ActionAccepted,
    ) -> Result<bool, Error> {
        let (Some(execution), Some(step)) = (accepted.execution_id, accepted.step) else {
            return Ok(true);
        };
        // the lock is enough, and whatever is wrong with an execution holds up no other action
        if execution_lock(conn, execution.0).await?.is_none() {
            return Ok(true);
        }
        Ok(step_link(conn, (execution.0, step.0), accepted.id.0).await?)
    }

    /// Takes note that investigation-api refused an action.
    pub(crate) async fn refuse_action(&self, event: &Envelope<ActionRefused>) -> Result<(), Error> {
        let ActionRefused { execution_id, step, reason } = &event.data;
        let failure = Failure::new(format!("the action was refused: {reason}"));
        self.tell(event.id, execution_id.0, |held, now| {
            Ok(self.turn(held, now, |machine| machine.ended(step.0, Err(failure))))
        })
        .await
    }
}

/// Gives the action with its variables filled in, each in the safe way of its place.
fn prepare(
    prepared: &Map<String, Value>,
    scope: &Variables,
    from: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Action, String> {
    let mut filled = Map::new();
    let mut left = messaging::MAX_BODY;
    for (key, value) in prepared {
        let value = match (key.as_str(), value) {
            ("target", Value::String(target)) => Value::from(text::target(target, scope)?),
            ("pgpsignatures" | "id" | "validfrom" | "expireafter", _) => continue,
            (_, value) => fill(value, scope, &mut left)?,
        };
        filled.insert(key.clone(), value);
    }
    let document = Value::Object(filled).to_string();
    let mut action =
        Action::parse(document.as_bytes()).map_err(|error| format!("the action: {error}"))?;
    // whole seconds: that is all that is signed of them
    action.validfrom = from.replace_nanosecond(0).unwrap_or(from);
    action.expireafter = until.replace_nanosecond(0).unwrap_or(until);
    if action.syntaxversion == 0 {
        action.syntaxversion = 2;
    }
    fleet::parse_target(&action.target).map_err(|error| format!("the action's target: {error}"))?;
    Ok(action)
}

/// Fills values into all texts, of which all together may have `left` bytes.
fn fill(value: &Value, scope: &Variables, left: &mut usize) -> Result<Value, String> {
    Ok(match value {
        Value::String(written) => {
            let filled = text::plain(written, scope, *left)
                .map_err(|_large| "the action is too large with its values".to_owned())?;
            *left = left.saturating_sub(filled.len());
            Value::from(filled)
        }
        Value::Array(list) => {
            list.iter().map(|value| fill(value, scope, left)).collect::<Result<_, _>>()?
        }
        Value::Object(map) => {
            let mut filled = Map::new();
            for (key, value) in map {
                filled.insert(key.clone(), fill(value, scope, left)?);
            }
            Value::Object(filled)
        }
        other => other.clone(),
    })
}
