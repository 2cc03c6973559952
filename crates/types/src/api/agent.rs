//! `/v1/agents`.

use crate::{AgentId, AgentStatus, AgentUid, PluginId, TeamId, Transport};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Is an agent as agent-gateway knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentView {
    /// The public id.
    pub id: AgentUid,
    /// The number, as MIG's clients know it.
    pub number: AgentId,
    /// Its name.
    pub name: String,
    /// Its team.
    pub team_id: Option<TeamId>,
    /// Which language it speaks.
    pub transport: Transport,
    /// How alive it is.
    pub status: AgentStatus,
    /// When it was last heard.
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen: OffsetDateTime,
    /// The plugins assigned to it.
    pub plugins: Vec<PluginId>,
    /// Labels given by people.
    pub tags: BTreeMap<String, String>,
    /// The address that it is known by, where agents are known by address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Since when another process of the same queue location is heard beside this one.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    pub conflict_since: Option<OffsetDateTime>,
    /// When a person revoked it: its tokens are dead, and it never comes back. Null while it may ask.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub revoked: Option<OffsetDateTime>,
}

/// Makes an agent that is known by its address: `POST /v1/agents`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAgent {
    /// The agent's name, 1–1,024 bytes.
    pub name: String,
    /// The IP address that it asks from.
    pub address: String,
    /// Its team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<TeamId>,
    /// The plugins it gets.
    #[serde(default)]
    pub plugins: Vec<PluginId>,
    /// Its labels.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// Changes an agent; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentPatch {
    /// A new name, 1–1,024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A new team; null for none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schema(value_type = Option<TeamId>)]
    pub team_id: Option<Option<TeamId>>,
    /// All labels; replaces those there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// Tells null from what is absent.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}
