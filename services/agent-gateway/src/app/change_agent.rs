//! A person names, labels or equips an agent.

use super::App;
use super::decide_code::{check_plugins, check_team};
use super::offer_tasks::sort_mail;
use crate::domain;
use crate::domain::agent::Agent;
use crate::error::Error;
use crate::store::agents::{self, Change};
use crate::store::{mig_agents, orphans, runbook, tasks};
use std::time::Duration;
use store::Conn;
use time::OffsetDateTime;
use types::api::agent::AgentPatch;
use types::{AgentId, AgentUid, CommandId, PluginId};

/// How long an agent may fetch a plugin that was taken from it: it may have been told of it just before, and ends when
/// it does not get it (specs/runbook/gaps.md §1, 12).
const PARTING: Duration = Duration::from_mins(2);
/// How many commands are looked at at once: each has a document.
const AT_ONCE: i64 = 16;
const TAKEN: &str =
    "a plugin that the action needs was taken from the agent before it had run it all";

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
            team_id: patch.team_id.map(|team| team.map(|team| team.0)),
            tags: tags.transpose()?,
        };
        let now = self.clock.now();
        let agent = self
            .store
            .tx(async |conn| {
                let number = lock_living(conn, id).await?;
                check_team(conn, patch.team_id.flatten()).await?;
                let (name, tags) = (change.name.as_deref(), change.tags.as_ref());
                if name.is_some() || tags.is_some() {
                    mig_agents::mig_agent_give(conn, number, name, tags).await?;
                }
                agents::agent_change(conn, number, &change).await?;
                self.publish_agent(conn, number, now).await
            })
            .await?;
        self.bus.wake();
        Ok(agent)
    }

    /// Replaces the plugins of an agent. Tasks that need one taken from it are withdrawn, and signed actions that wait
    /// for it and need one fail at once.
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
                self.fail_impossible(conn, number, now).await?;
                tasks::tasks_abandon(conn, number, false, now).await?;
                self.publish_agent(conn, number, now).await
            })
            .await?;
        self.bus.wake();
        Ok(agent)
    }
}

impl App {
    /// Fails the commands that an agent of RunbookSolutions cannot do with the plugins that it has now, unless it was
    /// given all their tasks: those may run by now.
    async fn fail_impossible(
        &self,
        conn: &mut Conn,
        agent: AgentId,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        if runbook::agents_runbook(conn, &[agent]).await?.is_empty() {
            return Ok(());
        }
        let mut after = CommandId(0);
        loop {
            let mail = orphans::mailbox_hold_waiting(conn, agent, after, AT_ONCE).await?;
            let Some(last) = mail.last() else { break };
            after = last.command;
            let impossible = sort_mail(conn, mail).await?.impossible;
            self.fail_mail(conn, impossible, now).await?;
        }
        let orphaned = orphans::mailbox_hold_orphaned(conn, agent).await?;
        let commands: Vec<CommandId> = orphaned.iter().map(|mail| mail.command).collect();
        orphans::tasks_keep_back(conn, &commands, now).await?;
        self.fail_tasks(conn, orphaned, TAKEN, now).await
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
