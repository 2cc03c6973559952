//! Loaders and manifests, told by loader-manifest to those who show them or name agents after them.

use super::Message;
use crate::{Environment, InvestigatorId, LoaderId, ManifestId, ManifestStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// A loader was created, changed or heard; a copy keeps the highest `version`. Its key never travels, nor the key's
/// hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoaderChanged {
    /// The number.
    pub id: LoaderId,
    /// The loader's own name, given by people.
    pub name: String,
    /// The host name that it last reported; absent until it was first heard.
    #[serde(default)]
    pub agent_name: Option<String>,
    /// The lasting identity that it shares with the agent on its machine; absent until it was first heard.
    #[serde(default)]
    pub queueloc: Option<String>,
    /// The machine, as last reported.
    #[serde(default)]
    pub environment: Environment,
    /// Labels, as last reported.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Whether its key counts.
    pub enabled: bool,
    /// The condition that its machine must fulfil; empty without one.
    #[serde(default)]
    pub expect: String,
    /// When it was last heard, or created.
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen: OffsetDateTime,
    /// Grows with each change of this loader.
    pub version: i64,
}

impl Message for LoaderChanged {
    const KIND: &'static str = "loader.changed.v1";

    fn subject(&self) -> String {
        self.id.to_string()
    }
}

/// How many loaders and manifests there are; sent every minute. None is ever removed, so a copy that holds fewer asks
/// for everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoaderDigest {
    /// How many loaders there are.
    pub loaders: i64,
    /// How many manifests there are.
    pub manifests: i64,
}

impl Message for LoaderDigest {
    const KIND: &'static str = "loader.digest.v1";

    fn subject(&self) -> String {
        String::new()
    }
}

/// A manifest was created, signed or changed; a copy keeps the highest `version`. Its content does not travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManifestChanged {
    /// The number.
    pub id: ManifestId,
    /// The name.
    pub name: String,
    /// Which loaders it is for, in the target language.
    pub target: String,
    /// Whether loaders get it.
    pub status: ManifestStatus,
    /// When it was created; of several that fit, a loader gets the newest.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// Who signed it, by ascending number.
    #[serde(default)]
    pub signers: Vec<InvestigatorId>,
    /// Grows with each change of this manifest.
    pub version: i64,
}

impl Message for ManifestChanged {
    const KIND: &'static str = "manifest.changed.v1";

    fn subject(&self) -> String {
        self.id.to_string()
    }
}
