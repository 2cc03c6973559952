//! `/agent/v1/work` and `/agent/v1/results`: Writ's own agents take work and answer.

use super::held::{self, Held};
use super::query::WorkQuery;
use super::who::Agent;
use crate::AgentGateway;
use crate::app::answer_poll::Ask;
use crate::app::record_returns::Prepared;
use crate::app::{patience, room};
use crate::domain::returned::{Few, Reader, Results};
use crate::domain::text;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpResponse, get, post};
use serde::Deserialize;
use std::time::Duration;
use types::api::problem;
use types::api::work::{Receipts, Return, Returns, Work};
use types::{AskId, CommandStatus, RunId, go_json};
use web::{Problem, Query};

const LONGEST_WAIT: u64 = 60;
const MOST_RETURNS: usize = 50;
const MOST_HOLDS: usize = 64;

/// Hands out work under a lease, waiting for it if asked to. What the agent says that it is at stays with it. An agent
/// whose question was not answered asks the same once more, with `again`, and is given the same.
#[utoipa::path(
    tag = "agent",
    security(("bearer" = [])),
    params(WorkQuery),
    responses((status = 200, body = Work), (status = "4XX", body = problem::Problem))
)]
#[get("/agent/v1/work")]
pub(super) async fn take_work(
    Agent(agent, query): Agent<Query<WorkQuery>>,
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
    let ask = read_ask(query.ask, query.again)?;
    let work = gateway.app.answer_poll(agent, Duration::from_secs(seconds), &holds, ask).await?;
    Ok(HttpResponse::Ok().json(work))
}

fn read_ask(ask: Option<AskId>, again: Option<bool>) -> Result<Option<Ask>, Problem> {
    let again = again.unwrap_or(false);
    if again && ask.is_none() {
        let detail = "nothing was asked before without `ask`";
        return Err(
            Problem::invalid("again-invalid", format!("again: {detail}")).fault("?again", detail)
        );
    }
    Ok(ask.map(|id| Ask { id, again }))
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
    let (size, tree) = (bytes.len(), room::tree_of(&bytes).await.bytes);
    let desk = held::or_later(patience::LONGEST, held::wait_for_desk(&gateway.app, tree)).await?;
    let answers = held::take_apart(size, move || read(&bytes, max_result)).await?;
    let receipts = gateway.app.record_returns(agent, answers?).await?;
    drop((room, desk));
    Ok(HttpResponse::Ok().json(receipts))
}

/// Is what an agent answers, as it came.
#[derive(Deserialize)]
struct Sent<'a> {
    #[serde(borrow)]
    items: Few<SentAnswer<'a>, MOST_RETURNS>,
}

#[derive(Deserialize)]
struct SentAnswer<'a> {
    run: RunId,
    status: CommandStatus,
    #[serde(borrow)]
    results: Results<'a>,
}

/// Reads answers as leniently as signed documents are read: half a surrogate in a file name must not lose a result.
fn read(body: &Bytes, max_result: usize) -> Result<Vec<Prepared>, Problem> {
    let text = go_json::mend(body);
    let sent: Sent<'_> = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    let mut reader = Reader::new();
    let answers = sent.items.0.into_iter().map(|SentAnswer { run, status, results }| {
        let results = reader.read(&results).map_err(|error| wrong(&error))?;
        Ok(Prepared::new(Return { run, status, results }, max_result))
    });
    answers.collect()
}

fn wrong(error: &serde_json::Error) -> Problem {
    let detail = text::short(&error.to_string());
    if error.is_data() {
        Problem::invalid("body-invalid", format!("the body: {detail}")).fault("", detail)
    } else {
        Problem::malformed("body-not-json", format!("the body is not JSON: {detail}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn body(results: &Value) -> Bytes {
        let run = "00000000-0000-7000-8000-000000000000";
        json!({"items": [{"run": run, "status": "success", "results": results}]}).to_string().into()
    }

    #[test]
    fn more_results_than_any_action_has_operations_are_refused() {
        let of = |count: usize| read(&body(&json!(vec![json!({}); count])), 1_000);
        assert_eq!(of(256).unwrap().len(), 1);
        for count in [257, 200_000] {
            let problem = of(count).unwrap_err();
            assert_eq!((problem.status().as_u16(), problem.code()), (422, "body-invalid"));
            assert!(problem.to_string().contains("more than 256 entries"), "{problem}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_from_what_is_wrong() {
        for (text, status) in [
            ("{", 400),
            ("{\"items\":[", 400),
            ("{\"items\":[]} x", 400),
            ("[]", 422),
            ("{}", 422),
            ("{\"items\":[{\"run\":\"x\"}]}", 422),
            ("{\"items\":null}", 422),
        ] {
            let problem = read(&Bytes::from_static(text.as_bytes()), 1_000).unwrap_err();
            assert_eq!(problem.status().as_u16(), status, "{text}");
        }
        let deep = format!("{{\"rest\":{}", "[".repeat(1_000));
        assert_eq!(read(&deep.into(), 1_000).unwrap_err().status().as_u16(), 400);
        let long = body(&json!([{"success": "x".repeat(1 << 20)}]));
        assert!(read(&long, 1_000).unwrap_err().to_string().len() < 300);
    }
}
