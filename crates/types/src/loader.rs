//! Loaders and manifests: what installs agents and what they are to install.

use crate::{LoaderId, ManifestId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Says whether loaders get a manifest (specs/mig/loader.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ManifestStatus {
    /// Waits for signatures.
    Staged,
    /// Has the signatures it needs.
    Active,
    /// Taken back, for good.
    Disabled,
}

impl ManifestStatus {
    /// Gives the word on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    /// Reads the word back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Staged, Self::Active, Self::Disabled]
            .into_iter()
            .find(|status| status.name() == name)
    }
}

/// Is a loader as MIG writes it (specs/mig/data-model.md §2); members that a route does not show are empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoaderEntry {
    /// The number.
    pub id: LoaderId,
    /// The loader's own name.
    pub name: String,
    /// The open part of its key.
    pub prefix: String,
    /// The key in clear, in the answer that makes it.
    pub key: String,
    /// The host name that it last reported; `unset` until then.
    pub agentname: String,
    /// When it was last heard, or created.
    #[serde(with = "time::serde::rfc3339")]
    pub lastseen: OffsetDateTime,
    /// Whether its key counts.
    pub enabled: bool,
    /// The condition that its machine must fulfil.
    pub expectenv: String,
}

/// Is a manifest as MIG writes it (specs/mig/data-model.md §2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRecord {
    /// The number.
    pub id: ManifestId,
    /// The name.
    pub name: String,
    /// Base64 of the compressed archive, where the route shows it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub timestamp: OffsetDateTime,
    /// `staged`, `active` or `disabled`.
    pub status: String,
    /// Which loaders it is for.
    pub target: String,
    /// The signatures, where the route shows them.
    pub signatures: Option<Vec<String>>,
}
