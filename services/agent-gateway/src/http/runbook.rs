//! `/api/agent`: what RunbookSolutions agents ask, to the letter (specs/runbook/backend.md §4). An agent ends at any
//! answer that it does not expect, so nothing here is ever limited or empty, and it waits rather than fails.

use super::sent::Sent;
use super::who::RunbookAgent;
use crate::AgentGateway;
use crate::store::offers::Offer;
use crate::store::runbook::Oneself;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use types::api::plugin::{PluginDocument, PluginVersion};
use types::{AgentUid, PluginId, TaskId, TeamId};
use utoipa::ToSchema;
use uuid::Uuid;
use web::Problem;

/// Wraps every answer.
#[derive(Debug, Serialize, ToSchema)]
struct Answer<T> {
    /// What was asked for.
    data: T,
}

fn answer<T: Serialize>(data: T) -> HttpResponse {
    HttpResponse::Ok().json(Answer { data })
}

/// Is a refusal, which ends the agent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described here, written by the web crate")]
struct Refusal {
    /// What was wrong.
    message: String,
    /// The same as a stable word.
    code: String,
}

/// Is what an agent is told of itself.
#[derive(Debug, Serialize, ToSchema)]
struct AgentDocument {
    /// Its id.
    id: AgentUid,
    /// Its name.
    name: String,
    /// Its team, or null.
    team_id: Option<TeamId>,
    /// The plugins it should have.
    plugins: Vec<PluginId>,
}

impl From<Oneself> for AgentDocument {
    fn from(agent: Oneself) -> Self {
        Self { id: agent.id, name: agent.name, team_id: agent.team, plugins: agent.plugins }
    }
}

/// Is a plugin as these agents fetch it.
#[derive(Debug, Serialize, ToSchema)]
struct RunbookPlugin {
    /// The id that was asked for.
    id: PluginId,
    /// Its name.
    name: String,
    /// Its version, as it was given.
    version: PluginVersion,
    /// What it does, or null.
    description: Option<String>,
    /// The Python source.
    script: String,
    /// Lower-case hex of the SHA-512 of `script`.
    hash: String,
    /// By command key; an object even when empty.
    commands: BTreeMap<String, RunbookCommand>,
}

/// Is one command of a plugin.
#[derive(Debug, Serialize, ToSchema)]
struct RunbookCommand {
    /// Names it for ever.
    id: Uuid,
    /// The command key.
    name: String,
    /// The method of `Plugin` to call.
    function: String,
}

impl From<PluginDocument> for RunbookPlugin {
    fn from(plugin: PluginDocument) -> Self {
        let commands = plugin.commands.into_iter().map(|(key, command)| {
            let id = Uuid::new_v5(&plugin.id.0, command.name.as_bytes());
            (key.clone(), RunbookCommand { id, name: key, function: command.function })
        });
        Self {
            id: plugin.id,
            name: plugin.name,
            version: plugin.version,
            description: Some(plugin.description).filter(|text| !text.is_empty()),
            script: plugin.script,
            hash: plugin.hash,
            commands: commands.collect(),
        }
    }
}

/// Is a task as these agents are told of it.
#[derive(Debug, Serialize, ToSchema)]
struct RunbookTask {
    /// Its id.
    id: TaskId,
    /// The command key.
    command: String,
    /// When it runs; null for once.
    cron: Option<String>,
    /// The JSON of an object, as a text.
    arguments: String,
}

impl From<Offer> for RunbookTask {
    fn from(offer: Offer) -> Self {
        let Offer { id, command, cron, arguments } = offer;
        Self { id, command, cron, arguments }
    }
}

/// Tells an agent who it is and which plugins it should have.
#[utoipa::path(
    tag = "runbook",
    security(("bearer" = [])),
    responses((status = 200, body = Answer<AgentDocument>), (status = "4XX", body = Refusal))
)]
#[get("/api/agent")]
pub(super) async fn oneself(
    RunbookAgent(agent, (), patience): RunbookAgent,
    gateway: Data<AgentGateway>,
) -> Result<HttpResponse, Problem> {
    let app = &gateway.app;
    let oneself = app.patiently(patience, async || app.describe_self(agent.number).await).await?;
    Ok(answer(AgentDocument::from(oneself)))
}

/// Gives a plugin with its source to an agent that it is assigned to, or was a moment ago.
#[utoipa::path(
    tag = "runbook",
    security(("bearer" = [])),
    params(("id" = PluginId, Path)),
    responses((status = 200, body = Answer<RunbookPlugin>), (status = "4XX", body = Refusal))
)]
#[get("/api/agent/plugin/{id}")]
pub(super) async fn fetch_plugin(
    RunbookAgent(agent, id, patience): RunbookAgent<Path<PluginId>>,
    gateway: Data<AgentGateway>,
) -> Result<HttpResponse, Problem> {
    let (app, id) = (&gateway.app, id.into_inner());
    let plugin = app.patiently(patience, async || app.fetch_plugin(id, agent.number).await).await?;
    Ok(answer(RunbookPlugin::from(plugin)))
}

/// Lists an agent's tasks: those by the clock each time, those that run once under a lease.
#[utoipa::path(
    tag = "runbook",
    security(("bearer" = [])),
    responses((status = 200, body = Answer<Vec<RunbookTask>>), (status = "4XX", body = Refusal))
)]
#[get("/api/agent/tasks")]
pub(super) async fn list_tasks(
    RunbookAgent(agent, (), patience): RunbookAgent,
    gateway: Data<AgentGateway>,
) -> Result<HttpResponse, Problem> {
    let app = &gateway.app;
    let offers = app.patiently(patience, async || app.offer_tasks(agent).await).await?;
    let tasks: Vec<RunbookTask> = offers.into_iter().map(Into::into).collect();
    Ok(answer(tasks))
}

/// Is what an agent sends after a run.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described here, read leniently")]
struct RunbookResult {
    /// What the function gave back, any JSON.
    #[schema(value_type = Object)]
    data: Value,
}

/// Takes what came back from one run of a task; what is larger than 8 MiB is cut and says so.
#[utoipa::path(
    tag = "runbook",
    security(("bearer" = [])),
    params(("id" = TaskId, Path)),
    request_body = RunbookResult,
    responses((status = 200, description = "Kept"), (status = "4XX", body = Refusal))
)]
#[post("/api/agent/task/{id}")]
pub(super) async fn take_result(
    RunbookAgent(agent, (id, sent), mut patience): RunbookAgent<(Path<TaskId>, Sent)>,
    gateway: Data<AgentGateway>,
) -> Result<HttpResponse, Problem> {
    let (app, task) = (&gateway.app, id.into_inner());
    app.patiently(patience, async || app.check_task(agent.number, task).await).await?;
    let received = sent.receive(app, agent.number, &mut patience).await?;
    let outcome = &received.outcome;
    // whoever cannot tell whether it was stored tries again, and it is stored once
    let told = Uuid::now_v7();
    let keep = async || app.record_run(agent.number, task, told, outcome).await;
    app.patiently(patience, keep).await?;
    drop(received);
    Ok(answer(json!({"ok": true})))
}
