//! What a service tells the audit: who changed something through it, and whom it refused.

use super::Message;
use crate::InvestigatorId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Requests that changed something, and requests that were refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditNoted {
    /// Each of them; refusals of one caller may be counted together.
    pub entries: Vec<AuditEntry>,
}

/// Is one thing to write down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// When it was; of several, when the first was.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The caller's address, of IPv6 its /64; `many` for more callers than are told apart, `local` at the database.
    pub address: String,
    /// The investigator; absent when nobody was recognised.
    #[serde(default)]
    pub investigator: Option<InvestigatorId>,
    /// Their name.
    #[serde(default)]
    pub who: String,
    /// For example `login` or `request`.
    pub what: String,
    /// To what, for example `POST /v1/plugins`.
    #[serde(default)]
    pub subject: String,
    /// `done` or `refused`.
    pub outcome: String,
    /// What else there is to say; never a secret.
    #[serde(default)]
    pub detail: String,
    /// How often.
    pub count: i64,
}

impl Message for AuditNoted {
    const KIND: &'static str = "audit.noted.v1";

    fn subject(&self) -> String {
        String::new()
    }
}
