//! Shows commands with what came back.

use super::App;
use crate::domain::portion::fitting;
use crate::domain::state::{STATES, mig_status};
use crate::error::Error;
use crate::store::command_rows::{
    CommandPage, CommandRow, agents_called, commands_find, commands_page,
};
use fleet::AgentRow;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use store::Conn;
use time::OffsetDateTime;
use types::action::Counters;
use types::api::Page;
use types::command::Command;
use types::{Action, ActionId, Agent, AgentId, AgentUid, CommandId, Environment, instant};

/// Is what one operation brought back, as [`types::OperationResult`]; what an agent told is passed on as it is kept,
/// since a tree of it may take a hundred times as much memory as its text.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeptResult {
    foundanything: bool,
    success: bool,
    elements: Box<RawValue>,
    statistics: Box<RawValue>,
    errors: Option<Vec<String>>,
}

/// Is a command with its results, as [`types::api::action::CommandView`].
#[derive(Debug, Serialize)]
pub(crate) struct ListedCommand {
    id: CommandId,
    agent_id: AgentId,
    agent_uid: Option<AgentUid>,
    agent_name: String,
    status: String,
    #[serde(with = "time::serde::rfc3339")]
    started: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    finished: Option<OffsetDateTime>,
    results: Vec<KeptResult>,
}

/// Says how much of the action and the agent a command is shown with (specs/mig/api.md §3.8 and §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// As `GET /command` does.
    Single,
    /// As `GET /search` does.
    Found,
}

impl App {
    /// Shows a page of an action's commands by number: at most `limit`, and fewer where their results are large.
    pub(crate) async fn list_commands(
        &self,
        action: ActionId,
        status: Option<&str>,
        above: Option<i64>,
        limit: i64,
    ) -> Result<Page<ListedCommand>, Error> {
        if let Some(unknown) = status.filter(|status| !STATES.contains(status)) {
            let detail = format!("'{unknown}' is not a status; use one of {}", STATES.join(", "));
            return Err(Error::invalid("status-invalid", "?status", detail));
        }
        let mut conn = self.store.get().await?;
        if crate::store::actions::actions_find(&mut conn, &[action.0]).await?.is_empty() {
            return Err(Error::NotFound(format!("action {action}")));
        }
        let page = CommandPage { action: action.0, status, above, limit: limit + 1 };
        let listed = commands_page(&mut conn, page).await?;
        let most = usize::try_from(limit).unwrap_or_default();
        let most = most.min(fitting(listed.iter().map(|row| row.size)));
        let cut = store::page::cut(listed, most, |row| row.id);
        let (listed, next) =
            cut.map_err(|error| Error::invalid("cursor-invalid", "?cursor", error))?;
        let ids: Vec<_> = listed.into_iter().map(|row| row.id).collect();
        let mut rows = commands_find(&mut conn, &ids).await?;
        rows.sort_unstable_by_key(|row| row.id);
        let agents: Vec<_> = rows.iter().map(|row| row.agent_id).collect();
        let called = agents_called(&mut conn, &agents).await?;
        let items = rows.into_iter().map(|row| {
            let agent = called.get(&row.agent_id);
            ListedCommand {
                id: CommandId(row.id),
                agent_id: AgentId(row.agent_id),
                agent_uid: agent.map(|agent| AgentUid(agent.uid)),
                agent_name: agent.map(|agent| agent.name.clone()).unwrap_or_default(),
                results: results(row.results).unwrap_or_default(),
                status: row.status,
                started: row.started,
                finished: row.finished,
            }
        });
        Ok(Page { items: items.collect(), next })
    }

    /// Shows one command as MIG's clients read it.
    pub(crate) async fn mig_command(
        &self,
        id: CommandId,
    ) -> Result<Option<Command<KeptResult>>, Error> {
        let mut conn = self.store.get().await?;
        let rows = commands_find(&mut conn, &[id.0]).await?;
        Ok(self.mig_commands(&mut conn, rows, Shown::Single).await?.pop())
    }

    /// Shows rows as a search does.
    pub(super) async fn mig_found_commands(
        &self,
        conn: &mut Conn,
        rows: Vec<CommandRow>,
    ) -> Result<Vec<Command<KeptResult>>, Error> {
        self.mig_commands(conn, rows, Shown::Found).await
    }

    async fn mig_commands(
        &self,
        conn: &mut Conn,
        rows: Vec<CommandRow>,
        shown: Shown,
    ) -> Result<Vec<Command<KeptResult>>, Error> {
        let agents = agents_of(conn, &rows).await?;
        let mut ids: Vec<_> = rows.iter().map(|row| row.action_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let actions = self.mig_actions(conn, &ids).await?;
        let commands = rows.into_iter().map(|row| {
            let action = actions.get(&row.action_id).cloned().unwrap_or_default();
            let agent = agents.get(&row.agent_id).cloned().map(Agent::from);
            Command {
                id: CommandId(row.id),
                results: results(row.results),
                status: mig_status(&row.status).into(),
                starttime: row.started,
                finishtime: instant::or_far(row.finished),
                action: ordered(action, shown),
                agent: brief(AgentId(row.agent_id), agent, shown),
            }
        });
        Ok(commands.collect())
    }
}

async fn agents_of(conn: &mut Conn, rows: &[CommandRow]) -> Result<BTreeMap<i64, AgentRow>, Error> {
    let mut ids: Vec<_> = rows.iter().map(|row| row.agent_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let agents = fleet::find(conn, &ids).await?;
    Ok(agents.into_iter().map(|agent| (agent.id, agent)).collect())
}

fn results(kept: Option<String>) -> Option<Vec<KeptResult>> {
    kept.and_then(|results| serde_json::from_str(&results).ok())
}

/// Leaves of an action what a command shows of it: the order, and in a search who signed it and how its commands stand.
fn ordered(action: Action, shown: Shown) -> Action {
    let found = shown == Shown::Found;
    Action {
        investigators: if found { action.investigators } else { Vec::new() },
        counters: if found { action.counters } else { Counters::default() },
        status: String::new(),
        starttime: instant::NONE,
        finishtime: instant::NONE,
        lastupdatetime: instant::NONE,
        ..action
    }
}

/// Leaves of an agent what a command shows of it.
fn brief(id: AgentId, agent: Option<Agent>, shown: Shown) -> Agent {
    let (agent, single) = (agent.unwrap_or_else(|| unknown(id)), shown == Shown::Single);
    Agent {
        queueloc: if single { agent.queueloc } else { String::new() },
        mode: if single { agent.mode } else { String::new() },
        environment: if single { Environment::default() } else { agent.environment },
        tags: if single { BTreeMap::new() } else { agent.tags },
        name: agent.name,
        version: agent.version,
        ..unknown(id)
    }
}

fn unknown(id: AgentId) -> Agent {
    Agent {
        id,
        name: String::new(),
        queueloc: String::new(),
        mode: String::new(),
        version: String::new(),
        pid: 0,
        loadername: String::new(),
        starttime: instant::NONE,
        destructiontime: instant::NONE,
        heartbeatts: instant::NONE,
        refreshts: instant::NONE,
        status: String::new(),
        environment: Environment::default(),
        tags: BTreeMap::new(),
    }
}
