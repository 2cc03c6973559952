//! Agents: what runs on the machines, as the house and MIG's clients see it.

use crate::{AgentId, instant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Says how alive an agent is (specs/mig/scheduler-agent.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AgentStatus {
    /// Heard of lately.
    Online,
    /// Not heard of for a while; still a target.
    Idle,
    /// Gone; never a target.
    Offline,
    /// Ordered to end itself; never a target.
    Destroyed,
}

impl AgentStatus {
    /// Gives the word on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Idle => "idle",
            Self::Offline => "offline",
            Self::Destroyed => "destroyed",
        }
    }

    /// Reads the word back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Online, Self::Idle, Self::Offline, Self::Destroyed]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

/// Says which language an agent speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// RunbookSolutions agents: `/api/agent`.
    Runbook,
    /// MIG agents: AMQP and `POST /api/v1/heartbeat`.
    Mig,
    /// Writ's own agents: `/agent/v1`.
    Writ,
}

impl Transport {
    /// Gives the word on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runbook => "runbook",
            Self::Mig => "mig",
            Self::Writ => "writ",
        }
    }

    /// Reads the word back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Runbook, Self::Mig, Self::Writ]
            .into_iter()
            .find(|transport| transport.name() == name)
    }
}

/// Describes the machine an agent runs on; targets read it as `environment->>'os'` and so on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Environment {
    /// The service manager, for example `systemd`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub init: String,
    /// The distribution, for example `Debian 12 bookworm`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ident: String,
    /// The system, in Go's words: `linux`, `darwin`, `windows`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os: String,
    /// The processor, in Go's words: `amd64`, `arm64`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arch: String,
    /// Whether the agent reaches us through a proxy.
    pub isproxied: bool,
    /// That proxy.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub proxy: String,
    /// Addresses of the machine, with prefix lengths.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// The address the agent is seen from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub publicip: String,
    /// Instance data of a cloud; always an object.
    pub aws: BTreeMap<String, String>,
    /// What the agent can run: its built-in modules and the command keys of its plugins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
}

/// Is an agent as MIG writes it (specs/mig/data-model.md §2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// The number.
    pub id: AgentId,
    /// The host's name.
    pub name: String,
    /// The queue location: the agent's lasting identity, for example `linux.ab12…`.
    pub queueloc: String,
    /// `daemon`, `checkin` or empty.
    pub mode: String,
    /// The agent program's version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The process id, 0 when not told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pid: i64,
    /// The loader that installed it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub loadername: String,
    /// When this row of the agent began.
    #[serde(with = "time::serde::rfc3339", default = "instant::none")]
    pub starttime: OffsetDateTime,
    /// When it was ordered to end itself.
    #[serde(with = "time::serde::rfc3339", default = "instant::none")]
    pub destructiontime: OffsetDateTime,
    /// When it was last heard.
    #[serde(with = "time::serde::rfc3339", default = "instant::none")]
    pub heartbeatts: OffsetDateTime,
    /// When it last described its machine.
    #[serde(with = "time::serde::rfc3339", default = "instant::none")]
    pub refreshts: OffsetDateTime,
    /// `online`, `idle`, `offline`, `destroyed`; empty where a route does not tell.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// The machine.
    #[serde(default)]
    pub environment: Environment,
    /// Free labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}
