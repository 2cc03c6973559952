//! Investigators, told by investigation-api to all who authenticate.

use super::Message;
use crate::{InvestigatorId, InvestigatorStatus};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// An investigator was created or changed; a copy keeps the highest `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvestigatorChanged {
    /// The number.
    pub id: InvestigatorId,
    /// The name.
    pub name: String,
    /// The upper-case hex fingerprint of the primary key; absent without a key.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// The armored public key.
    #[serde(default)]
    pub public_key: Option<String>,
    /// Whether it may do anything.
    pub status: InvestigatorStatus,
    /// The permission mask.
    pub permissions: i64,
    /// Lower-case hex of the SHA-256 of the API key; absent without one.
    #[serde(default)]
    pub api_key_sha256: Option<String>,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub modified: OffsetDateTime,
    /// Grows with each change of this investigator.
    pub version: i64,
}

impl Message for InvestigatorChanged {
    const KIND: &'static str = "investigator.changed.v1";

    fn subject(&self) -> String {
        self.id.to_string()
    }
}

/// How the owner's investigators stand; sent every minute. A copy whose own digest differs asks for everything,
/// and one that heard no digest for five minutes refuses every write (revocation fails closed).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InvestigatorDigest {
    /// How many there are.
    pub count: i64,
    /// Lower-case hex of the SHA-256 over `<id>:<version>\n` of each, by ascending id.
    pub hash: String,
    /// When the owner looked.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Message for InvestigatorDigest {
    const KIND: &'static str = "investigator.digest.v1";

    fn subject(&self) -> String {
        String::new()
    }
}
