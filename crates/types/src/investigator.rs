//! People who may sign and ask.

use crate::{InvestigatorId, Permissions, instant};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Says whether an investigator may do anything at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InvestigatorStatus {
    /// May log in and sign.
    Active,
    /// May do nothing; signatures no longer count.
    Disabled,
}

impl InvestigatorStatus {
    /// Gives the word on the wire and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }

    /// Reads the word back.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Active, Self::Disabled].into_iter().find(|status| status.name() == name)
    }
}

/// Is an investigator as MIG writes it (specs/mig/data-model.md §2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Investigator {
    /// The number; left out when 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<InvestigatorId>,
    /// A person's or a tool's name.
    pub name: String,
    /// The upper-case hex fingerprint of the primary key; empty without a key.
    pub pgpfingerprint: String,
    /// Base64 of the armored public key, where the route shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publickey: Option<String>,
    /// `active`, `disabled`, or empty in the answer to a creation.
    pub status: String,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339", default = "instant::none")]
    pub createdat: OffsetDateTime,
    /// When anything of it last changed.
    #[serde(with = "time::serde::rfc3339", default = "instant::none")]
    pub lastmodified: OffsetDateTime,
    /// `set` where a key exists, or the new key in clear, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apikey: Option<String>,
    /// What it may do.
    #[serde(default)]
    pub permissions: Permissions,
}
