//! People sign in at the page for steps.

use super::App;
use crate::error::Error;
use auth::{Caller, PageSessions};
use types::Permission;

impl App {
    fn sessions(&self) -> PageSessions<'_> {
        let permission = Permission::ManualRead;
        PageSessions { store: &self.store, replica: &self.replica, permission }
    }

    /// Opens a session for who shows the API key of somebody with `manual_read`; gives its secret.
    pub(crate) async fn sign_in(&self, api_key: &str) -> Result<Option<String>, Error> {
        Ok(self.sessions().open(api_key, self.clock.now()).await?)
    }

    /// Gives whose session it is, if they may still read steps.
    pub(crate) async fn session(&self, secret: &str) -> Result<Option<Caller>, Error> {
        Ok(self.sessions().find(secret, self.clock.now()).await?)
    }

    /// Ends a session.
    pub(crate) async fn sign_out(&self, secret: &str) -> Result<(), Error> {
        Ok(self.sessions().end(secret).await?)
    }

    /// Tells whether the keys are fresh enough to change anything.
    pub(crate) fn may_change(&self) -> bool {
        self.replica.is_fresh(self.clock.now())
    }
}
