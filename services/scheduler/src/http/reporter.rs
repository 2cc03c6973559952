//! SOARCA's `/reporter`: its shapes, its vocabulary, its sentences (specs/soarca/soarca-api.md §3).

use super::who::Reader;
use crate::Scheduler;
use crate::app::Reported;
use crate::domain::execution::{StepRun, StepState};
use crate::domain::machine::action_of;
use crate::domain::playbook::{Manner, Playbook};
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, routes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::instant;
use uuid::Uuid;
use web::Problem;

/// Says how many executions one answer reports.
const REPORTED: i64 = 200;
/// Is the number of seconds after which a client is to ask again.
const INTERVAL: u8 = 5;

/// Reports the newest executions, oldest of them first.
#[utoipa::path(tag = "soarca", responses((status = 200, body = Vec<Object>), (status = "4XX", body = Object)))]
#[routes]
#[get("/reporter")]
#[get("/reporter/")]
pub(super) async fn list(
    _reader: Reader,
    service: Data<Scheduler>,
) -> Result<HttpResponse, Problem> {
    let reported = service.app.report_executions(REPORTED).await?;
    Ok(HttpResponse::Ok().json(reported.iter().rev().map(report).collect::<Vec<_>>()))
}

/// Reports one execution.
#[utoipa::path(tag = "soarca", params(("id" = String, Path, description = "the execution's id")),
    responses((status = 200, body = Object), (status = "4XX", body = Object)))]
#[routes]
#[get("/reporter/{id}")]
#[get("/reporter/{id}/")]
pub(super) async fn show(
    _reader: Reader,
    service: Data<Scheduler>,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = id.parse::<Uuid>().map_err(|error| {
        Problem::malformed(
            "id-malformed",
            format!("Could not parse id parameter for request: {error}"),
        )
    })?;
    Ok(HttpResponse::Ok().json(report(&service.app.report_execution(id).await?)))
}

/// Writes a time as Go does.
pub(super) fn written(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

fn report(reported: &Reported) -> Value {
    let Reported { row, steps, playbook } = reported;
    let playbook = playbook.as_deref();
    let status = match row.state.as_str() {
        "succeeded" => "successfully_executed",
        "failed" | "cancelled" => "failed",
        _ => "ongoing",
    };
    let mut results = Map::new();
    // of a step that ran several times the last run is told
    for run in steps.iter().filter(|run| run.kind != "start") {
        results.insert(run.step_id.clone(), step(run, playbook));
    }
    json!({
        "name": row.name,
        "description": row.description,
        "type": "execution_status",
        "execution_id": row.id,
        "playbook_id": row.playbook_id,
        "started": written(row.started),
        "ended": written(instant::or_none(row.ended)),
        "status": status,
        "status_text": sentence(status, "playbook", row.reason.as_deref()),
        "step_results": results,
        "request_interval": INTERVAL,
    })
}

fn step(run: &StepRun, playbook: Option<&Playbook>) -> Value {
    let definition = playbook.and_then(|playbook| playbook.steps.get(&run.step_id));
    let action = action_of(definition);
    let manual = action.is_some_and(|action| action.manner != Manner::Calls);
    let status = match run.state {
        StepState::Waiting if manual => "await_user_input",
        StepState::Succeeded => "successfully_executed",
        StepState::Timeout => "timeout_error",
        StepState::Failed | StepState::Cancelled => "server_side_error",
        _ => "ongoing",
    };
    let commands = action.map(|action| action.commands.as_slice()).unwrap_or_default();
    let commands: Vec<_> = commands.iter().map(|command| STANDARD.encode(&command.text)).collect();
    let variables: Map<String, Value> = run
        .results
        .iter()
        .map(|(name, value)| {
            let declared = run.variables.get(name).or_else(|| playbook?.variables.get(name)).cloned().unwrap_or_default();
            let variable = json!({
                "type": declared.kind.name(), "name": name, "description": declared.description, "value": value,
                "constant": declared.constant, "external": declared.external,
            });
            (name.clone(), variable)
        })
        .collect();
    let detail = match run.state {
        StepState::Cancelled => Some("cancelled"),
        _ => run.detail.as_deref(),
    };
    json!({
        "name": run.name,
        "description": definition.map(|step| step.description.as_str()).unwrap_or_default(),
        "execution_id": run.execution_id,
        "step_id": run.step_id,
        "started": written(run.started),
        "ended": written(instant::or_none(run.ended)),
        "status": status,
        "status_text": sentence(status, "step", detail),
        "executed_by": "soarca",
        "commands_b64": commands,
        "variables": variables,
        "automated_execution": !manual,
    })
}

/// Gives SOARCA's sentence for a status.
fn sentence(status: &str, what: &str, error: Option<&str>) -> String {
    let text = match status {
        "successfully_executed" => return format!("{what} execution completed successfully"),
        "ongoing" => return format!("this {what} is currently being executed"),
        "await_user_input" => {
            return format!("waiting for users to provide input for the {what} execution");
        }
        "failed" => format!("something went wrong in the execution of this {what}"),
        "timeout_error" => format!("the execution of this {what} timed out"),
        _ => format!("there was a server-side problem with the execution of this {what}"),
    };
    match error {
        Some(error) => format!("{text} - error: {error}"),
        None => text,
    }
}
