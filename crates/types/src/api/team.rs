//! `/v1/teams`: what agents are grouped by.

use crate::TeamId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Makes a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTeam {
    /// Its name, 1 to 1,024 bytes.
    pub name: String,
}

/// Is a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TeamView {
    /// Its id.
    pub id: TeamId,
    /// Its name.
    pub name: String,
}
