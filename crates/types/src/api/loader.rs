//! `/v1/loaders`.

use crate::{Environment, LoaderId, ManifestId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Is a loader without what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoaderView {
    /// The number.
    pub id: LoaderId,
    /// Its name, given by people.
    pub name: String,
    /// The first eight characters of its key, by which it is found.
    pub prefix: String,
    /// Whether its key counts.
    pub enabled: bool,
    /// The condition that its host must fulfil; null without one.
    pub expect_env: Option<String>,
    /// The host name that it last reported; null until it was first let in.
    pub agent_name: Option<String>,
    /// The lasting identity that it shares with the agent on its host.
    pub queueloc: Option<String>,
    /// The host, as last reported.
    pub environment: Environment,
    /// Labels, as last reported.
    pub tags: BTreeMap<String, String>,
    /// When it was last let in, or created.
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen: OffsetDateTime,
    /// The manifest that it was last given.
    pub manifest_id: Option<ManifestId>,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
}

/// Creates a loader; it is disabled at first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLoader {
    /// Its name, 1–256 characters; each is given once.
    pub name: String,
    /// The condition that its host must fulfil; empty for none.
    #[serde(default)]
    pub expect_env: String,
}

/// Changes a loader; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoaderPatch {
    /// Whether its key counts, from its next request on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// A new condition; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_env: Option<String>,
}

/// Is a loader with a new key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyedLoader {
    /// The loader.
    pub loader: LoaderView,
    /// The whole key, for `mig-loader.key`; it is shown this once.
    pub key: String,
}
