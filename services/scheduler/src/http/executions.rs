//! `/v1/executions`: runs of playbooks.

use super::view;
use super::view::BODY;
use super::who::{Reader, Runner};
use crate::Scheduler;
use crate::app::What;
use crate::store::executions::is_state;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpResponse, get, post};
use serde::Deserialize;
use types::api::playbook::{ExecutionView, NewExecution};
use types::api::{Page, problem};
use uuid::Uuid;
use web::{Json, PageQuery, Problem, Query};

/// Begins a run of a stored playbook, or of one that comes with the request.
#[utoipa::path(
    tag = "executions",
    request_body = NewExecution,
    responses((status = 201, body = ExecutionView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/executions")]
pub(super) async fn begin(
    runner: Runner,
    service: Data<Scheduler>,
    new: Json<NewExecution, BODY>,
) -> Result<HttpResponse, Problem> {
    let NewExecution { playbook_id, version, playbook, variables } = new.into_inner();
    let given = view::given(&variables)?;
    let what = match (playbook_id, playbook) {
        (Some(id), None) => What::Stored(id, version),
        (None, Some(playbook)) => {
            let (playbook, document) = view::read(Bytes::from(playbook.to_string())).await?;
            What::This(Box::new(playbook), document)
        }
        _ => {
            let detail = "give either playbook_id or playbook";
            return Err(Problem::invalid("playbook-unclear", detail).fault("/playbook_id", detail));
        }
    };
    let triggered = service.app.trigger_playbook(what, given, runner.id).await?;
    let shown = service.app.show_execution(triggered.execution).await?;
    Ok(HttpResponse::Created().json(view::execution(shown)))
}

/// Says which executions are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    playbook_id: Option<String>,
    state: Option<String>,
    limit: Option<i64>,
    cursor: Option<String>,
}

/// Lists executions, newest first; of each the first 100 runs of its steps, without results of more than some
/// kilobytes.
#[utoipa::path(
    tag = "executions",
    params(("playbook_id" = Option<String>, Query, description = "of this playbook only"),
        ("state" = Option<String>, Query, description = "running, waiting, succeeded, failed or cancelled"),
        ("limit" = Option<i64>, Query, description = "1–500; 100 when absent"),
        ("cursor" = Option<String>, Query, description = "the `next` of the page before")),
    responses((status = 200, body = Page<ExecutionView>), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/executions")]
pub(super) async fn list(
    _reader: Reader,
    service: Data<Scheduler>,
    wanted: Query<Wanted>,
) -> Result<HttpResponse, Problem> {
    let Wanted { playbook_id, state, limit, cursor } = wanted.into_inner();
    if let Some(state) = state.as_deref().filter(|state| !is_state(state)) {
        let detail =
            format!("{state:?} is no state; use running, waiting, succeeded, failed or cancelled");
        return Err(Problem::invalid("state-invalid", detail.as_str()).fault("?state", detail));
    }
    let page = PageQuery::new(limit, cursor);
    let before = page.after()?.unwrap_or(Uuid::max());
    let shown = service
        .app
        .list_executions(playbook_id.as_deref(), state.as_deref(), before, page.rows()?)
        .await?;
    let Page { items, next } = page.page(shown, |shown| shown.row.id)?;
    let items = items.into_iter().map(view::execution).collect();
    Ok(HttpResponse::Ok().json(Page::<ExecutionView> { items, next }))
}

/// Shows one execution with the runs of its steps.
#[utoipa::path(
    tag = "executions",
    params(("id" = Uuid, Path, description = "the execution's id")),
    responses((status = 200, body = ExecutionView), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/executions/{id}")]
pub(super) async fn show(
    _reader: Reader,
    service: Data<Scheduler>,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(view::execution(service.app.show_execution(*id).await?)))
}

/// Cancels an execution with all that it waits for; no branch runs.
#[utoipa::path(
    tag = "executions",
    params(("id" = Uuid, Path, description = "the execution's id")),
    responses((status = 200, body = ExecutionView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/executions/{id}/cancel")]
pub(super) async fn cancel(
    runner: Runner,
    service: Data<Scheduler>,
    id: Path<Uuid>,
) -> Result<HttpResponse, Problem> {
    service.app.cancel_execution(*id, &runner.name).await?;
    Ok(HttpResponse::Ok().json(view::execution(service.app.show_execution(*id).await?)))
}
