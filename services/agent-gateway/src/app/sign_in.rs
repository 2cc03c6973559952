//! People sign in at the page where devices are admitted.

use super::App;
use crate::domain::user_code::UserCode;
use crate::error::Error;
use crate::store::codes;
use auth::PageSessions;
use types::api::device::PendingCode;
use types::{InvestigatorId, Permission};

impl App {
    /// Gives the sessions of those who may admit devices.
    fn sessions(&self) -> PageSessions<'_> {
        let permission = Permission::GatewayWrite;
        PageSessions { store: &self.store, replica: &self.replica, permission }
    }

    /// Opens a session for who shows the API key of somebody with `gateway_write`; gives its secret.
    pub(crate) async fn sign_in(&self, api_key: &str) -> Result<Option<String>, Error> {
        Ok(self.sessions().open(api_key, self.clock.now()).await?)
    }

    /// Gives whose session it is, if they may still admit devices.
    pub(crate) async fn session(&self, secret: &str) -> Result<Option<InvestigatorId>, Error> {
        let found = self.sessions().find(secret, self.clock.now()).await?;
        Ok(found.map(|caller| caller.id))
    }

    /// Tells whether the keys are fresh enough to change anything.
    pub(crate) fn may_change(&self) -> bool {
        self.replica.is_fresh(self.clock.now())
    }

    /// Ends a session.
    pub(crate) async fn sign_out(&self, secret: &str) -> Result<(), Error> {
        Ok(self.sessions().end(secret).await?)
    }

    /// Shows a code that waits for a person.
    pub(crate) async fn read_code(&self, code: &UserCode) -> Result<Option<PendingCode>, Error> {
        let mut conn = self.store.get().await?;
        Ok(codes::code_pending(&mut conn, code, self.clock.now()).await?)
    }
}
