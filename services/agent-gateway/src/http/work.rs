//! `/agent/v1/work` and `/agent/v1/results`: Writ's own agents take work and answer.

use super::held::{self, Held};
use super::query::Wait;
use super::who::Agent;
use crate::AgentGateway;
use crate::app::patience;
use crate::app::record_returns::Prepared;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpResponse, get, post};
use std::time::Duration;
use types::api::problem;
use types::api::work::{Receipts, Returns, Work};
use types::{RunId, go_json};
use web::{Problem, Query};

const LONGEST_WAIT: u64 = 60;
const MOST_RETURNS: usize = 50;
const MOST_HOLDS: usize = 64;

/// Hands out work under a lease, waiting for it if asked to. What the agent says that it is at stays with it.
#[utoipa::path(
    tag = "agent",
    security(("bearer" = [])),
    params(Wait),
    responses((status = 200, body = Work), (status = "4XX", body = problem::Problem))
)]
#[get("/agent/v1/work")]
pub(super) async fn take_work(
    Agent(agent, query): Agent<Query<Wait>>,
    gateway: Data<AgentGateway>,
) -> Result<HttpResponse, Problem> {
    let seconds = query.wait.unwrap_or(0);
    if seconds > LONGEST_WAIT {
        let detail = format!("{seconds} is not in 0..={LONGEST_WAIT}");
        return Err(
            Problem::invalid("wait-invalid", format!("wait: {detail}")).fault("?wait", detail)
        );
    }
    let holds = read_holds(query.holds.as_deref().unwrap_or_default())?;
    let work = gateway.app.answer_poll(agent, Duration::from_secs(seconds), &holds).await?;
    Ok(HttpResponse::Ok().json(work))
}

fn read_holds(text: &str) -> Result<Vec<RunId>, Problem> {
    let wrong = |detail: String| {
        Problem::invalid("holds-invalid", format!("holds: {detail}")).fault("?holds", detail)
    };
    let runs = text.split(',').filter(|run| !run.is_empty());
    let runs: Result<Vec<RunId>, _> = runs.map(str::parse).collect();
    let runs = runs.map_err(|error| wrong(format!("holds something that is no run: {error}")))?;
    if runs.len() > MOST_HOLDS {
        return Err(wrong(format!("holds {} runs; at most {MOST_HOLDS} are taken", runs.len())));
    }
    Ok(runs)
}

/// Takes answers, each once; what is larger than 8 MiB is cut and says so.
#[utoipa::path(
    tag = "agent",
    security(("bearer" = [])),
    request_body = Returns,
    responses((status = 200, body = Receipts), (status = "4XX", body = problem::Problem), (status = 503, description = "Too much is being taken in; come again", body = problem::Problem))
)]
#[post("/agent/v1/results")]
pub(super) async fn return_results(
    Agent(agent, sent): Agent<Held>,
    gateway: Data<AgentGateway>,
) -> Result<HttpResponse, Problem> {
    let max_result = gateway.app.config.max_result;
    let Held { bytes, room } = sent;
    let size = bytes.len();
    let desk = held::or_later(patience::LONGEST, held::wait_for_desk(&gateway.app, size)).await?;
    let answers = held::take_apart(size, move || read(&bytes, max_result)).await?;
    let receipts = gateway.app.record_returns(agent, answers?).await?;
    drop((room, desk));
    Ok(HttpResponse::Ok().json(receipts))
}

/// Reads answers as leniently as signed documents are read: half a surrogate in a file name must not lose a result.
fn read(body: &Bytes, max_result: usize) -> Result<Vec<Prepared>, Problem> {
    let value = go_json::parse(body).map_err(|error| {
        Problem::malformed("body-not-json", format!("the body is not JSON: {error}"))
    })?;
    let returns: Returns = serde_json::from_value(value).map_err(|error| {
        Problem::invalid("body-invalid", format!("the body: {error}")).fault("", error.to_string())
    })?;
    if returns.items.len() > MOST_RETURNS {
        let detail = format!(
            "holds {} answers; at most {MOST_RETURNS} are taken at once",
            returns.items.len()
        );
        return Err(
            Problem::invalid("body-invalid", format!("/items {detail}")).fault("/items", detail)
        );
    }
    Ok(returns.items.into_iter().map(|answer| Prepared::new(answer, max_result)).collect())
}
