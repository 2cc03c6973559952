//! The one who asks.

use types::{InvestigatorId, Permissions};

/// Is an investigator who proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The number.
    pub id: InvestigatorId,
    /// The name.
    pub name: String,
    /// What they may do.
    pub permissions: Permissions,
    /// The upper-case hex fingerprint of their primary key; absent without a key.
    pub fingerprint: Option<String>,
}
