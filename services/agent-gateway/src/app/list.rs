//! Reading: lists by key, single things by id.

use super::App;
use crate::domain::agent::Agent;
use crate::error::Error;
use crate::store::runbook::Oneself;
use crate::store::teams::{self, Team};
use crate::store::{agents, codes, plugins, runbook};
use time::OffsetDateTime;
use types::api::device::PendingCode;
use types::api::plugin::{PluginDocument, PluginView};
use types::{AgentId, AgentUid, PluginId, TeamId};
use uuid::Uuid;

impl App {
    /// Gives the agents behind `after`, revoked ones too; of one team or all.
    pub(crate) async fn list_agents(
        &self,
        team: Option<TeamId>,
        after: AgentId,
        limit: i64,
    ) -> Result<Vec<Agent>, Error> {
        let mut conn = self.store.get().await?;
        if let Some(team) = team
            && !teams::team_exists(&mut conn, team).await?
        {
            return Err(Error::NotFound("team"));
        }
        Ok(agents::agents_page(&mut conn, team, after, limit).await?)
    }

    /// Gives one agent.
    pub(crate) async fn read_agent(&self, id: AgentUid) -> Result<Agent, Error> {
        let found = agents::agent_by_id(&mut *self.store.get().await?, id).await?;
        found.ok_or(Error::NotFound("agent"))
    }

    /// Gives the device codes behind `after` that wait for a person.
    pub(crate) async fn list_codes(
        &self,
        after: Option<(OffsetDateTime, String)>,
        limit: i64,
    ) -> Result<Vec<PendingCode>, Error> {
        Ok(codes::codes_page(&mut *self.store.get().await?, after, self.clock.now(), limit).await?)
    }

    /// Gives the plugins behind `after`.
    pub(crate) async fn list_plugins(
        &self,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<PluginView>, Error> {
        Ok(plugins::plugins_page(&mut *self.store.get().await?, after, limit).await?)
    }

    /// Gives the newest plugins, the newest first.
    pub(crate) async fn latest_plugins(&self, limit: i64) -> Result<Vec<PluginView>, Error> {
        Ok(plugins::plugins_latest(&mut *self.store.get().await?, limit).await?)
    }

    /// Gives one plugin without its source.
    pub(crate) async fn read_plugin(&self, id: PluginId) -> Result<PluginView, Error> {
        let found = plugins::plugin_view(&mut *self.store.get().await?, id).await?;
        found.ok_or(Error::NotFound("plugin"))
    }

    /// Gives the plugins of an agent.
    pub(crate) async fn list_plugins_of(&self, agent: AgentId) -> Result<Vec<PluginView>, Error> {
        Ok(plugins::plugins_of(&mut *self.store.get().await?, agent).await?)
    }

    /// Gives a plugin with its source to an agent that it is assigned to, or was until a moment ago.
    pub(crate) async fn fetch_plugin(
        &self,
        id: PluginId,
        agent: AgentId,
    ) -> Result<PluginDocument, Error> {
        let mut conn = self.store.get().await?;
        let found = plugins::plugin_document(&mut conn, id, agent, self.clock.now()).await?;
        found.ok_or(Error::NotFound("plugin among those assigned to this agent"))
    }

    /// Gives what a RunbookSolutions agent is told of itself.
    pub(crate) async fn describe_self(&self, agent: AgentId) -> Result<Oneself, Error> {
        Ok(runbook::agent_self(&mut *self.store.get().await?, agent).await?)
    }

    /// Gives the teams behind `after`.
    pub(crate) async fn list_teams(&self, after: Uuid, limit: i64) -> Result<Vec<Team>, Error> {
        Ok(teams::teams_page(&mut *self.store.get().await?, after, limit).await?)
    }
}
