//! Asking an owner for all it has.

use super::Message;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A copy is new, emptied or stale and asks its owner to send everything again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplicaRequested {
    /// What is wanted: `investigator`, `agent`, `loader` or `manifest`.
    pub of: String,
    /// The service that asks.
    pub by: String,
}

impl Message for ReplicaRequested {
    const KIND: &'static str = "replica.requested.v1";

    fn subject(&self) -> String {
        self.of.clone()
    }
}
