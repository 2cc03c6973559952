//! A person names, labels or equips an agent.

use super::App;
use super::decide_code::{check_plugins, check_team};
use crate::domain;
use crate::domain::agent::Agent;
use crate::error::Error;
use crate::store::agents::{self, Change};
use crate::store::tasks;
use std::time::Duration;
use store::Conn;
use types::api::agent::AgentPatch;
use types::{AgentId, AgentUid, PluginId};

/// How long an agent may fetch a plugin that was taken from it: it may have been told of it just before, and ends when it
/// does not get it (specs/runbook/gaps.md §1, 12).
const PARTING: Duration = Duration::from_mins(2);

impl App {
    /// Changes what people say of an agent; what is absent stays.
    pub(crate) async fn change_agent(
        &self,
        id: AgentUid,
        patch: AgentPatch,
    ) -> Result<Agent, Error> {
        let faults = domain::agent::check_patch(&patch);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let tags = patch
            .tags
            .map(|tags| serde_json::to_value(tags).map_err(|e| Error::Internal(e.into())));
        let change = Change {
            name: patch.name,
            team_id: patch.team_id.map(|team| team.0),
            tags: tags.transpose()?,
        };
        let now = self.clock.now();
        let agent = self
            .store
            .tx(async |conn| {
                let number = lock_living(conn, id).await?;
                check_team(conn, patch.team_id).await?;
                agents::agent_change(conn, number, &change).await?;
                self.publish_agent(conn, number, now).await
            })
            .await?;
        self.bus.wake();
        Ok(agent)
    }

    /// Replaces the plugins of an agent. Tasks that need one taken from it are withdrawn.
    pub(crate) async fn assign_plugins(
        &self,
        id: AgentUid,
        plugins: Vec<PluginId>,
    ) -> Result<Agent, Error> {
        let faults = domain::agent::check_plugins(plugins.len());
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let now = self.clock.now();
        let agent = self
            .store
            .tx(async |conn| {
                let number = lock_living(conn, id).await?;
                check_plugins(conn, "", &plugins).await?;
                agents::agent_set_plugins(conn, number, &plugins, now + PARTING).await?;
                tasks::tasks_abandon(conn, number, false, now).await?;
                self.publish_agent(conn, number, now).await
            })
            .await?;
        self.bus.wake();
        Ok(agent)
    }
}

async fn lock_living(conn: &mut Conn, id: AgentUid) -> Result<AgentId, Error> {
    match agents::agent_lock(conn, id).await? {
        None => Err(Error::NotFound("agent")),
        Some((_, true)) => Err(Error::Conflict {
            code: "agent-revoked",
            detail: "the agent was revoked; enrol it anew",
        }),
        Some((number, false)) => Ok(number),
    }
}
