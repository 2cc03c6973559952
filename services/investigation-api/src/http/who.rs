//! Who may come in. A caller stands before path, query and body among a handler's arguments: who may not come in learns
//! nothing of what is wrong with them.

use types::Permission;
use web::Needs;

/// Needs `search`.
pub(super) enum Search {}

/// Needs `action`.
pub(super) enum ReadActions {}

/// Needs `action_create`.
pub(super) enum CreateActions {}

/// Needs `command`.
pub(super) enum ReadCommands {}

/// Needs `agent`.
pub(super) enum ReadAgents {}

/// Needs `dashboard`.
pub(super) enum ReadDashboard {}

/// Needs `investigator`.
pub(super) enum ReadInvestigators {}

/// Needs `investigator_create`.
pub(super) enum CreateInvestigators {}

/// Needs `investigator_update`.
pub(super) enum UpdateInvestigators {}

impl Needs for Search {
    const PERMISSION: Permission = Permission::Search;
}

impl Needs for ReadActions {
    const PERMISSION: Permission = Permission::Action;
}

impl Needs for CreateActions {
    const PERMISSION: Permission = Permission::ActionCreate;
}

impl Needs for ReadCommands {
    const PERMISSION: Permission = Permission::Command;
}

impl Needs for ReadAgents {
    const PERMISSION: Permission = Permission::Agent;
}

impl Needs for ReadDashboard {
    const PERMISSION: Permission = Permission::Dashboard;
}

impl Needs for ReadInvestigators {
    const PERMISSION: Permission = Permission::Investigator;
}

impl Needs for CreateInvestigators {
    const PERMISSION: Permission = Permission::InvestigatorCreate;
}

impl Needs for UpdateInvestigators {
    const PERMISSION: Permission = Permission::InvestigatorUpdate;
}
