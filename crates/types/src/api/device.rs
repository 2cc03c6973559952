//! The device flow (RFC 8628, with the agents' deviations: specs/runbook/backend.md §3) and its approval.

use crate::{PluginId, TeamId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// The only grant there is.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Answers `POST /oauth/device/code`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceCode {
    /// The secret to poll with.
    pub device_code: String,
    /// What the person types.
    pub user_code: String,
    /// Where the person types it.
    pub verification_uri: String,
    /// The same with the code filled in.
    pub verification_uri_complete: String,
    /// Seconds until both codes are dead.
    pub expires_in: u64,
    /// Seconds to wait between polls.
    pub interval: u64,
}

/// Answers `POST /oauth/token` once the code is approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccessToken {
    /// The agent's lasting secret.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds; the token lives until it is revoked, this says ten years.
    pub expires_in: u64,
    /// Always empty.
    pub scope: String,
}

/// Refuses a call of the device flow (RFC 6749 §5.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OAuthError {
    /// `authorization_pending`, `expired_token`, `access_denied`, `invalid_client`, `invalid_request`, ….
    pub error: String,
    /// What was wrong, for people.
    pub error_description: String,
}

/// Is a code that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PendingCode {
    /// What the person types.
    pub user_code: String,
    /// What the device calls itself; not an identity.
    pub client_id: String,
    /// Where it asked from.
    pub address: String,
    /// Its User-Agent header.
    pub user_agent: String,
    /// When it asked.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// When the code dies.
    #[serde(with = "time::serde::rfc3339")]
    pub expires: OffsetDateTime,
}

/// Approves a code and names the agent it becomes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The agent's name, 1–1,024 bytes.
    pub name: String,
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
