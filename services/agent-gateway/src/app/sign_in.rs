//! People sign in at the page where devices are admitted.

use super::App;
use crate::domain::user_code::UserCode;
use crate::error::Error;
use crate::store::codes;
use auth::PageSessions;
use types::Permission;
use types::api::device::PendingCode;

impl App {
    /// Gives the sessions of those who may admit devices.
    pub(crate) fn sessions(&self) -> PageSessions<'_> {
        let permission = Permission::GatewayWrite;
        PageSessions { store: &self.store, replica: &self.replica, permission }
    }

    /// Tells whether the keys are fresh enough to change anything.
    pub(crate) fn may_change(&self) -> bool {
        self.replica.is_fresh(self.clock.now())
    }

    /// Shows a code that waits for a person.
    pub(crate) async fn read_code(&self, code: &UserCode) -> Result<Option<PendingCode>, Error> {
        let mut conn = self.store.get().await?;
        Ok(codes::code_pending(&mut conn, code, self.clock.now()).await?)
    }
}
