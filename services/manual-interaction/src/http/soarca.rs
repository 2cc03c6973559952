//! SOARCA's three routes, each in both spellings and without a redirect.

use super::problem;
use super::soarca_object::{Continue, GeneralError, PendingCommand, Taken};
use super::who::{SoarcaReader, SoarcaResponder};
use crate::ManualInteraction;
use crate::domain::answer::{Answer, Given};
use crate::error::Error;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpResponse, get, post};
use futures_util::stream;
use std::collections::BTreeMap;
use types::ExecutionId;
use types::messages::manual::ManualOutcome;
use web::{Body, Problem};

const JSON: &str = "application/json; charset=utf-8";
/// Says how many steps the list shows, but for the rest of those that are read at once.
const MOST_PENDING: usize = 10_000;

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
    pending(service).await
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
    pending(service).await
}

/// Is the list of what waits, which knows no pages: written piece by piece, so that its size needs no memory.
struct Pending {
    service: Data<ManualInteraction>,
    /// The place of the last step that is written.
    after: i64,
    /// How many are written.
    written: usize,
    over: bool,
}

async fn pending(service: Data<ManualInteraction>) -> Result<HttpResponse, Problem> {
    let mut all = Pending { service, after: 0, written: 0, over: false };
    // with the first piece what is wrong can still be said
    let first = all.next().await?;
    let first = stream::once(async move { Ok(first) });
    let rest = stream::try_unfold(all, async |mut all: Pending| {
        if all.over {
            return Ok(None);
        }
        let piece = all.next().await?;
        Ok::<_, Problem>(Some((piece, all)))
    });
    let pieces = stream::StreamExt::chain(first, rest);
    Ok(HttpResponse::Ok().content_type(JSON).streaming(pieces))
}

impl Pending {
    /// Writes the next steps with what is before them, or the end.
    async fn next(&mut self) -> Result<Bytes, Problem> {
        let mut piece = String::new();
        if self.written == 0 {
            piece.push('[');
        }
        let steps = self.service.app.list_pending(self.after).await?;
        self.over = steps.is_empty() || self.written + steps.len() >= MOST_PENDING;
        for step in steps {
            self.after = step.seq;
            if self.written > 0 {
                piece.push(',');
            }
            self.written += 1;
            let command = PendingCommand::from(step.view);
            piece += &serde_json::to_string(&command).map_err(Problem::internal)?;
        }
        if self.over {
            piece.push(']');
        }
        Ok(piece.into())
    }
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
