//! From rows to what is shown under `/v1`, and from what is asked to the use cases.

use crate::app::Shown;
use crate::domain::execution::StepRun;
use crate::domain::playbook::{MAX_DOCUMENT, Playbook};
use crate::domain::variable::Given;
use crate::error::Error;
use crate::store::playbooks::PlaybookRow;
use actix_web::web::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use types::api::playbook::{ExecutionView, PlaybookView, StepRunView};
use types::{ExecutionId, InvestigatorId, StepRunId};
use web::Problem;

/// Says how many bytes a body with a playbook may have.
pub(super) const BODY: usize = MAX_DOCUMENT;

/// Reads a playbook beside the event loops.
pub(super) async fn read(body: Bytes) -> Result<(Playbook, String), Problem> {
    let read = web::cpu(move || -> Result<(Playbook, String), Error> {
        let playbook = Playbook::parse(&body)?;
        let document = String::from_utf8(body.to_vec())
            .map_err(|error| Error::Malformed(format!("the playbook is not UTF-8: {error}")))?;
        Ok((playbook, document))
    });
    Ok(read.await??)
}

/// Reads values of variables: a text, or an object with `value` and `type`; what else is in it is not looked at.
pub(super) fn given(
    variables: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Given>, Problem> {
    let mut given = BTreeMap::new();
    for (name, variable) in variables {
        let wrong = |part: &str, detail: &str| {
            let pointer =
                format!("/variables/{}{part}", name.replace('~', "~0").replace('/', "~1"));
            Problem::invalid("variable-invalid", format!("{name}: {detail}")).fault(pointer, detail)
        };
        let one = match variable {
            Value::String(value) => Given { kind: None, value: value.clone() },
            Value::Object(variable) => {
                let kind = match variable.get("type") {
                    None | Some(Value::Null) => None,
                    Some(Value::String(kind)) => Some(kind.clone()),
                    Some(_) => return Err(wrong("/type", "the type must be a string")),
                };
                let value = match variable.get("value") {
                    None | Some(Value::Null) => String::new(),
                    Some(Value::String(value)) => value.clone(),
                    Some(_) => {
                        return Err(wrong(
                            "/value",
                            "the value must be a string, numbers and bools too",
                        ));
                    }
                };
                Given { kind, value }
            }
            _ => return Err(wrong("", "must be a string, or an object with a value")),
        };
        given.insert(name.clone(), one);
    }
    Ok(given)
}

pub(super) fn playbook(row: PlaybookRow, document: Option<Value>) -> PlaybookView {
    PlaybookView {
        id: row.playbook_id,
        modified: row.modified,
        name: row.name,
        description: row.description,
        labels: row.labels,
        sha256: hex::encode(row.digest),
        valid_from: row.valid_from,
        valid_until: row.valid_until,
        revoked: row.revoked,
        created: row.created,
        created_by: row.created_by.map(InvestigatorId),
        playbook: document,
    }
}

pub(super) fn execution(shown: Shown) -> ExecutionView {
    let Shown { row, steps } = shown;
    ExecutionView {
        id: ExecutionId(row.id),
        playbook_id: row.playbook_id,
        name: row.name,
        state: row.state,
        handled: row.handled,
        reason: row.reason,
        started: row.started,
        ended: row.ended,
        started_by: row.started_by.map(InvestigatorId),
        parent_step: row.parent_step.map(StepRunId),
        steps: steps.into_iter().map(step).collect(),
        variables: row.variables,
    }
}

fn step(run: StepRun) -> StepRunView {
    StepRunView {
        id: StepRunId(run.id),
        step_id: run.step_id,
        run: run.run,
        kind: run.kind,
        name: run.name,
        state: run.state.name().into(),
        detail: run.detail,
        started: run.started,
        ended: run.ended,
        variables: run.results,
    }
}
