//! `/v1/tasks`: people give tasks to RunbookSolutions agents.

use super::query::TaskQuery;
use super::who::{Reader, Writer};
use crate::AgentGateway;
use crate::store::runs::Run;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, delete, get, post};
use types::TaskId;
use types::api::task::{NewTask, TaskDetail, TaskRunView, TaskView};
use types::api::{Page, problem};
use uuid::Uuid;
use web::{Json, PageQuery, Problem, Query};

/// Makes a task; it never changes, a change is another task.
#[utoipa::path(
    tag = "tasks",
    request_body = NewTask,
    responses((status = 201, body = TaskView), (status = "4XX", body = problem::Problem))
)]
#[post("/v1/tasks")]
pub(super) async fn make(
    writer: Writer,
    gateway: Data<AgentGateway>,
    task: Json<NewTask>,
) -> Result<HttpResponse, Problem> {
    let task = gateway.app.make_task(task.into_inner(), writer.0.id).await?;
    Ok(HttpResponse::Created().json(TaskDetail { task, runs: Vec::new() }))
}

/// Lists the tasks, oldest first.
#[utoipa::path(
    tag = "tasks",
    params(TaskQuery),
    responses((status = 200, body = Page<TaskView>), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/tasks")]
pub(super) async fn list(
    _reader: Reader,
    gateway: Data<AgentGateway>,
    query: Query<TaskQuery>,
) -> Result<HttpResponse, Problem> {
    let TaskQuery { agent_id, state, limit, cursor } = query.into_inner();
    let page = PageQuery::new(limit, cursor);
    let after = page.after::<Uuid>()?.unwrap_or_default();
    let rows = gateway.app.list_tasks(agent_id, state, after, page.rows()?).await?;
    Ok(HttpResponse::Ok().json(page.page(rows, |row| row.id)?))
}

/// Shows one task with its latest runs.
#[utoipa::path(
    tag = "tasks",
    params(("id" = TaskId, Path)),
    responses((status = 200, body = TaskDetail), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/tasks/{id}")]
pub(super) async fn read(
    _reader: Reader,
    gateway: Data<AgentGateway>,
    id: Path<TaskId>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(gateway.app.read_task(id.into_inner()).await?))
}

/// Takes a task back; what its agent was told of may still run.
#[utoipa::path(
    tag = "tasks",
    params(("id" = TaskId, Path)),
    responses((status = 204, description = "Withdrawn"), (status = "4XX", body = problem::Problem))
)]
#[delete("/v1/tasks/{id}")]
pub(super) async fn withdraw(
    writer: Writer,
    gateway: Data<AgentGateway>,
    id: Path<TaskId>,
) -> Result<HttpResponse, Problem> {
    gateway.app.withdraw_task(id.into_inner(), writer.0.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lists the runs of a task, oldest first; a page ends early where they are large.
#[utoipa::path(
    tag = "tasks",
    params(("id" = TaskId, Path), PageQuery),
    responses((status = 200, body = Page<TaskRunView>), (status = "4XX", body = problem::Problem))
)]
#[get("/v1/tasks/{id}/runs")]
pub(super) async fn runs(
    _reader: Reader,
    gateway: Data<AgentGateway>,
    id: Path<TaskId>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let after = query.after::<i64>()?.unwrap_or(0);
    let (rows, more) = gateway.app.list_runs(id.into_inner(), after, query.limit()?).await?;
    let next = match rows.last() {
        Some(Run { number, .. }) if more => {
            Some(store::page::encode(number).map_err(Problem::internal)?)
        }
        _ => None,
    };
    let items: Vec<TaskRunView> = rows.into_iter().map(|run| run.view).collect();
    Ok(HttpResponse::Ok().json(Page { items, next }))
}
