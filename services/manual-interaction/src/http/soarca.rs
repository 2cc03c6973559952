//! SOARCA's three routes, each in both spellings and without a redirect.

use super::problem;
use super::soarca_object::{Continue, GeneralError, PendingCommand, Taken};
use super::who::{SoarcaReader, SoarcaResponder};
use crate::ManualInteraction;
use crate::domain::answer::{Answer, Given};
use crate::error::Error;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post};
use std::collections::BTreeMap;
use types::ExecutionId;
use types::messages::manual::ManualOutcome;
use web::{Body, Problem};

const JSON: &str = "application/json; charset=utf-8";

/// Lists the steps that wait, oldest first.
#[utoipa::path(
    tag = "soarca",
    responses((status = 200, body = Vec<PendingCommand>), (status = "4XX", body = GeneralError))
)]
#[get("/manual")]
pub(super) async fn list(
    _reader: SoarcaReader,
    service: Data<ManualInteraction>,
) -> Result<HttpResponse, Problem> {
    pending(&service).await
}

/// Lists the steps that wait, oldest first.
#[utoipa::path(
    tag = "soarca",
    responses((status = 200, body = Vec<PendingCommand>), (status = "4XX", body = GeneralError))
)]
#[get("/manual/")]
pub(super) async fn list_slash(
    _reader: SoarcaReader,
    service: Data<ManualInteraction>,
) -> Result<HttpResponse, Problem> {
    pending(&service).await
}

async fn pending(service: &ManualInteraction) -> Result<HttpResponse, Problem> {
    let steps = service.app.list_pending().await?;
    let steps: Vec<PendingCommand> = steps.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().content_type(JSON).json(steps))
}

/// Shows a step that waits.
#[utoipa::path(
    tag = "soarca",
    params(("execution_id" = String, Path, format = "uuid"), ("step_id" = String, Path)),
    responses((status = 200, body = PendingCommand), (status = "4XX", body = GeneralError))
)]
#[get("/manual/{execution_id}/{step_id}")]
pub(super) async fn read(
    _reader: SoarcaReader,
    service: Data<ManualInteraction>,
    key: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    find(&service, &key.0, &key.1).await
}

/// Shows a step that waits.
#[utoipa::path(
    tag = "soarca",
    params(("execution_id" = String, Path, format = "uuid"), ("step_id" = String, Path)),
    responses((status = 200, body = PendingCommand), (status = "4XX", body = GeneralError))
)]
#[get("/manual/{execution_id}/{step_id}/")]
pub(super) async fn read_slash(
    _reader: SoarcaReader,
    service: Data<ManualInteraction>,
    key: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    find(&service, &key.0, &key.1).await
}

async fn find(
    service: &ManualInteraction,
    execution: &str,
    step_id: &str,
) -> Result<HttpResponse, Problem> {
    let execution: ExecutionId = execution.parse().map_err(|error| {
        Problem::malformed("invalid", format!("Failed to parse execution ID: {error}"))
    })?;
    let found = service.app.find_current(execution, &step_id.replace('\0', "")).await;
    let step = found.map_err(|error| match error {
        Error::NotFound(_) => Problem::not_found("Pending command not found"),
        other => other.into(),
    })?;
    Ok(HttpResponse::Ok().content_type(JSON).json(PendingCommand::from(step)))
}

/// Answers a step.
#[utoipa::path(
    tag = "soarca",
    request_body(content = Continue, content_type = "application/json"),
    responses((status = 200, body = Taken), (status = "4XX", body = GeneralError))
)]
#[post("/manual/continue")]
pub(super) async fn answer(
    responder: SoarcaResponder,
    service: Data<ManualInteraction>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    take(&service, responder, &body.0).await
}

/// Answers a step.
#[utoipa::path(
    tag = "soarca",
    request_body(content = Continue, content_type = "application/json"),
    responses((status = 200, body = Taken), (status = "4XX", body = GeneralError))
)]
#[post("/manual/continue/")]
pub(super) async fn answer_slash(
    responder: SoarcaResponder,
    service: Data<ManualInteraction>,
    body: Body,
) -> Result<HttpResponse, Problem> {
    take(&service, responder, &body.0).await
}

async fn take(
    service: &ManualInteraction,
    SoarcaResponder(actor): SoarcaResponder,
    body: &[u8],
) -> Result<HttpResponse, Problem> {
    let said = parse(body)?;
    let missing = |what: &str| {
        Problem::malformed("invalid", format!("Failed to parse response: {what} is missing"))
    };
    let execution = said.execution_id.as_deref().filter(|id| !id.is_empty());
    let execution = execution.ok_or_else(|| missing("execution_id"))?;
    let execution: ExecutionId = execution.parse().map_err(|error| {
        Problem::malformed("invalid", format!("Failed to parse response: execution_id: {error}"))
    })?;
    let step_id = said.step_id.as_deref().filter(|id| !id.is_empty());
    let step_id = step_id.ok_or_else(|| missing("step_id"))?.replace('\0', "");
    let status = said.response_status.as_deref().ok_or_else(|| missing("response_status"))?;
    let outcome = ManualOutcome::parse(status).ok_or_else(|| {
        let detail = "Failed to parse response: response_status is success or failure";
        Problem::malformed("invalid", detail)
    })?;
    let variables = said.response_out_args.unwrap_or_default();
    let variables: BTreeMap<String, Given> = variables
        .into_iter()
        .map(|(name, given)| (name, Given { kind: given.kind, value: given.value }))
        .collect();
    let given = Answer { outcome, variables, place: "/response_out_args" };
    let key = (execution, step_id.as_str());
    let step = service
        .app
        .answer_current(key, said.playbook_id.as_deref(), &given, &actor)
        .await
        .map_err(problem::soarca)?;
    Ok(HttpResponse::Ok().content_type(JSON).json(Taken {
        execution_id: step.execution_id.to_string(),
        payload: step.playbook_id.clone(),
        playbook_id: step.playbook_id,
    }))
}

/// Reads the body as strictly as the original: nothing unknown, nothing of another type. Of a key that is there twice
/// the last one counts.
fn parse(body: &[u8]) -> Result<Continue, Problem> {
    let wrong = |detail: String| {
        let prefix = "failed to parse manual out args payload:";
        Problem::malformed("invalid", format!("{prefix} {detail}"))
    };
    let value: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| wrong(format!("failed to unmarshal JSON: {error}")))?;
    let said: Continue = serde_path_to_error::deserialize(value).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner());
        wrong(format!("failed to unmarshal JSON: {path}: {inner}"))
    })?;
    for (key, given) in said.response_out_args.iter().flatten() {
        if let Some(name) = given.name.as_ref().filter(|name| *name != key) {
            return Err(wrong(format!(
                "variable name mismatch for variable {key}: has different name property: {name}"
            )));
        }
    }
    Ok(said)
}
