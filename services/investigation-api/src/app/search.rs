//! Searches, shows single agents, and the dashboard.

use super::{App, Shown};
use crate::domain::search::Search;
use crate::error::Error;
use crate::store::find;
use fleet::AgentRow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::{Conn, Value};
use types::command::Command;
use types::investigator::Investigator;
use types::{Action, Agent, InvestigatorId, instant};

/// Says how many actions the dashboard shows.
const NEWEST: i64 = 10;

/// Is what a search found, in the order in which it is shown.
#[derive(Debug)]
pub(crate) enum Found {
    /// Actions.
    Actions(Vec<Action>),
    /// Commands.
    Commands(Vec<Command>),
    /// Agents.
    Agents(Vec<Agent>),
    /// Investigators.
    Investigators(Vec<Investigator>),
    /// Nothing.
    Nothing,
}

/// Counts the agents of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VersionCount {
    version: String,
    count: i64,
}

/// Is how the fleet stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Stats {
    pub(crate) online_agents: i64,
    pub(crate) online_by_version: Option<Vec<VersionCount>>,
    pub(crate) online_endpoints: i64,
    pub(crate) idle_agents: i64,
    pub(crate) idle_by_version: Option<Vec<VersionCount>>,
    pub(crate) idle_endpoints: i64,
    pub(crate) new_endpoints: i64,
    pub(crate) multi_agents: i64,
    pub(crate) disappeared: i64,
    pub(crate) flapping: i64,
}

impl App {
    /// Finds what a search asks for.
    pub(crate) async fn search(&self, search: &Search) -> Result<Found, Error> {
        if search.limit() == 0 {
            return Ok(Found::Nothing);
        }
        let mut conn = self.store.get().await?;
        Ok(match search.kind.as_str() {
            "action" => {
                let ids = find::ids_find(&mut conn, find::actions(search)).await?;
                Found::Actions(self.actions_in_order(&mut conn, &ids).await?)
            }
            "command" => {
                let rows = find::commands_search(&mut conn, find::commands(search)).await?;
                Found::Commands(self.mig_command_rows(&mut conn, rows, Shown::Found).await?)
            }
            "agent" if search.target.is_empty() => {
                let rows = find::agents_search(&mut conn, find::agents(search)).await?;
                Found::Agents(rows.into_iter().map(found_agent).collect())
            }
            "agent" => {
                let rows = self.aimed_at(&mut conn, search).await?;
                Found::Agents(rows.into_iter().map(Agent::from).collect())
            }
            "investigator" => {
                let ids = find::ids_find(&mut conn, find::investigators(search)).await?;
                Found::Investigators(self.investigators_in_order(&ids))
            }
            // loader-manifest tells of its rows later
            _ => Found::Nothing,
        })
    }

    /// Finds the agents that a target reaches, one row for each queue location.
    async fn aimed_at(&self, conn: &mut Conn, search: &Search) -> Result<Vec<AgentRow>, Error> {
        let target = fleet::parse_target(&search.target)
            .map_err(|fault| Error::invalid("target-invalid", "target", fault))?;
        let mut aim = fleet::aim(&target, self.clock.now());
        let limit = aim.bind(Value::Int(search.limit()));
        let offset = aim.bind(Value::Int(search.offset()));
        let text = format!("{} limit {limit} offset {offset}", aim.reached("agent.*"));
        Ok(find::agents_search(conn, (text, aim.binds)).await?)
    }

    async fn actions_in_order(&self, conn: &mut Conn, ids: &[i64]) -> Result<Vec<Action>, Error> {
        let mut actions: BTreeMap<_, _> = self.mig_actions(conn, ids).await?;
        Ok(ids.iter().filter_map(|id| actions.remove(id)).collect())
    }

    fn investigators_in_order(&self, ids: &[i64]) -> Vec<Investigator> {
        let keyring = self.replica.current();
        let known = ids.iter().filter_map(|id| keyring.get(InvestigatorId(*id)));
        known.map(super::show_actions::shown_investigator).collect()
    }

    /// Shows one agent.
    pub(crate) async fn mig_agent(&self, id: i64) -> Result<Option<Agent>, Error> {
        let mut conn = self.store.get().await?;
        let row = fleet::find(&mut conn, &[id]).await?.pop();
        Ok(row.map(|row| Agent { loadername: String::new(), ..row.into() }))
    }

    /// Shows how the fleet stands, as last counted, and the newest actions.
    pub(crate) async fn dashboard(&self) -> Result<(Option<Stats>, Vec<Action>), Error> {
        let mut conn = self.store.get().await?;
        let stats = find::stats_find(&mut conn).await?;
        let stats = stats.and_then(|stats| serde_json::from_str(&stats).ok());
        let ids = find::actions_newest(&mut conn, NEWEST).await?;
        Ok((stats, self.actions_in_order(&mut conn, &ids).await?))
    }

    /// Counts the fleet for the dashboard.
    pub async fn count_fleet(&self) -> Result<(), Error> {
        let mut conn = self.store.get().await?;
        find::stats_count(&mut conn, self.clock.now()).await?;
        Ok(())
    }
}

/// Leaves of an agent what a search by parameters shows.
fn found_agent(row: AgentRow) -> Agent {
    Agent { refreshts: instant::NONE, loadername: String::new(), ..row.into() }
}
