//! `/v1/manifests`.

use crate::{InvestigatorId, LoaderId, ManifestId, ManifestStatus};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Is a manifest without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManifestView {
    /// The number; of two with one name, the higher is newer.
    pub id: ManifestId,
    /// Its name.
    pub name: String,
    /// Which loaders it is for.
    pub target: String,
    /// Whether loaders are given it.
    pub status: ManifestStatus,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// Who created it.
    pub created_by: InvestigatorId,
    /// From when on nobody is given it any more; null for never.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires: Option<OffsetDateTime>,
    /// Lower-case hex of the SHA-256 of what is signed; equal where the same is installed.
    pub digest: String,
    /// The digest of the manifest that loaders are sent back to; null unless this is an order to go back.
    pub rollback_to: Option<String>,
    /// How many bytes the archive has.
    pub archive_size: i64,
    /// The files, in the order in which they are signed.
    pub files: Vec<ManifestFile>,
    /// Who signed it.
    pub signatures: Vec<ManifestSignature>,
    /// How many of the signers count now.
    pub signers: usize,
    /// How many signers it needs.
    pub signers_required: usize,
}

/// Is a file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManifestFile {
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub size: i64,
    /// Lower-case hex of the SHA-256 of its content.
    pub sha256: String,
}

/// Is a signature of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ManifestSignature {
    /// Who signed.
    pub investigator_id: InvestigatorId,
    /// When it came.
    #[serde(with = "time::serde::rfc3339")]
    pub signed: OffsetDateTime,
}

/// Signs a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSignature {
    /// The caller's own detached signature over the signed string, armor in one line.
    pub signature: String,
}

/// Says what a manifest is to become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusChange {
    /// `staged` forgets all signatures, `active` counts the signers anew, `disabled` is final.
    pub status: ManifestStatus,
}

/// Says how far loaders are with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rollout {
    /// How many loaders are in each state.
    pub counts: BTreeMap<String, i64>,
    /// The loaders that it is for or was given to, by number.
    pub items: Vec<RolloutItem>,
    /// What to pass as `cursor` for the next page; null on the last.
    pub next: Option<String>,
}

/// Says how far one loader is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RolloutItem {
    /// The loader.
    pub loader_id: LoaderId,
    /// Its name.
    pub name: String,
    /// The host name that it last reported.
    pub agent_name: Option<String>,
    /// When it was last let in.
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen: OffsetDateTime,
    /// `behind`: it did not ask yet. `offered`: it has the list and fetched nothing. `fetching`: it fetched files and
    /// did not come again. `taken`: it came again and wanted nothing. `failed`: it fetched the same again, or left what
    /// is new. `passed`: it did not take this one and is not given it any more, since it was given something newer, or
    /// since nobody is given it.
    pub state: String,
    /// Whether this is the manifest that it was last given.
    pub current: bool,
    /// When it was first given the list.
    #[serde(with = "time::serde::rfc3339::option")]
    pub offered: Option<OffsetDateTime>,
    /// When its state last changed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub changed: Option<OffsetDateTime>,
}
