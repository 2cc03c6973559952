//! Agents, told by agent-gateway to those who aim at them or show them.

use super::Message;
use crate::{AgentId, AgentStatus, AgentUid, Environment, PluginId, TeamId, Transport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Says how many agents one [`AgentSeen`] carries at most.
pub const SEEN_PER_MESSAGE: usize = 1_000;

/// An agent was enrolled or changed; a copy keeps the highest `revision`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentChanged {
    /// The number, as MIG's clients know it.
    pub number: AgentId,
    /// The public id.
    pub id: AgentUid,
    /// The host's name, or the one given at approval.
    pub name: String,
    /// The lasting identity of the machine's agent.
    pub queueloc: String,
    /// Which language it speaks.
    pub transport: Transport,
    /// `daemon`, `checkin` or empty.
    pub mode: String,
    /// The agent program's version; empty when it does not tell.
    pub version: String,
    /// The process id; 0 when it does not tell.
    pub pid: i64,
    /// How alive it is.
    pub status: AgentStatus,
    /// The machine; `modules` is what can be run there now.
    pub environment: Environment,
    /// Labels given by people.
    pub tags: BTreeMap<String, String>,
    /// The loader that installed it; empty without one.
    #[serde(default)]
    pub loader_name: String,
    /// Its team.
    #[serde(default)]
    pub team: Option<TeamId>,
    /// The plugins assigned to it.
    #[serde(default)]
    pub plugins: Vec<PluginId>,
    /// When it was enrolled or registered.
    #[serde(with = "time::serde::rfc3339")]
    pub started: OffsetDateTime,
    /// When it was last heard.
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen: OffsetDateTime,
    /// When it last described its machine.
    #[serde(with = "time::serde::rfc3339")]
    pub refreshed: OffsetDateTime,
    /// Since when another process of the same queue location is heard beside this one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    pub conflict_since: Option<OffsetDateTime>,
    /// Grows with each change of this agent.
    pub revision: i64,
}

impl Message for AgentChanged {
    const KIND: &'static str = "agent.changed.v1";

    fn subject(&self) -> String {
        self.number.to_string()
    }
}

/// Agents were heard since the last such message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentSeen {
    /// At most [`SEEN_PER_MESSAGE`].
    pub agents: Vec<SeenAgent>,
}

/// Is one agent of an [`AgentSeen`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeenAgent {
    /// The agent.
    pub agent: AgentId,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Message for AgentSeen {
    const KIND: &'static str = "agent.seen.v1";

    fn subject(&self) -> String {
        String::new()
    }
}
