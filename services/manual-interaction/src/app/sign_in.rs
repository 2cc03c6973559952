//! People sign in at the page for steps.

use super::App;
use auth::PageSessions;
use types::Permission;

impl App {
    /// Gives the sessions of those who may read steps.
    pub(crate) fn sessions(&self) -> PageSessions<'_> {
        let permission = Permission::ManualRead;
        PageSessions { store: &self.store, replica: &self.replica, permission }
    }

    /// Tells whether the keys are fresh enough to change anything.
    pub(crate) fn may_change(&self) -> bool {
        self.replica.is_fresh(self.clock.now())
    }
}
