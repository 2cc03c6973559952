//! People sign in at the page where devices are admitted.

use super::App;
use super::secret::{self, Secret};
use crate::domain::user_code::UserCode;
use crate::error::Error;
use crate::store::codes;
use crate::store::sessions::{self, Session};
use std::time::Duration;
use types::api::device::PendingCode;
use types::{InvestigatorId, InvestigatorStatus, Permission, Permissions};

/// How long a session lasts.
pub(crate) const SESSION: Duration = Duration::from_mins(15);

impl App {
    /// Opens a session for who shows the API key of somebody with `gateway_write`; gives its secret.
    pub(crate) async fn sign_in(&self, api_key: &str) -> Result<Option<String>, Error> {
        let keyring = self.replica.current();
        let Ok(caller) = keyring.by_api_key(api_key) else { return Ok(None) };
        if !caller.permissions.has(Permission::GatewayWrite) {
            return Ok(None);
        }
        let now = self.clock.now();
        let secret = Secret::draw()?;
        let session =
            Session { investigator: caller.id, api_key_sha256: auth::api_key_hash(api_key) };
        let mut conn = self.store.get().await?;
        sessions::session_insert(&mut conn, &secret.sha256, &session, now, now + SESSION).await?;
        tracing::info!(investigator.id = %caller.id, "signed in at the page for devices");
        Ok(Some(secret.text))
    }

    /// Gives whose session it is, if they may still admit devices.
    pub(crate) async fn session(&self, secret: &str) -> Result<Option<InvestigatorId>, Error> {
        let now = self.clock.now();
        let mut conn = self.store.get().await?;
        let found = sessions::session_find(&mut conn, &secret::hash(secret), now).await?;
        let Some(session) = found else { return Ok(None) };
        let keyring = self.replica.current();
        let good = keyring.get(session.investigator).is_some_and(|state| {
            state.status == InvestigatorStatus::Active
                && Permissions(state.permissions).has(Permission::GatewayWrite)
                && state.api_key_sha256.as_deref() == Some(session.api_key_sha256.as_str())
        });
        Ok(good.then_some(session.investigator))
    }

    /// Tells whether the keys are fresh enough to change anything.
    pub(crate) fn may_change(&self) -> bool {
        self.replica.is_fresh(self.clock.now())
    }

    /// Ends a session.
    pub(crate) async fn sign_out(&self, secret: &str) -> Result<(), Error> {
        let mut conn = self.store.get().await?;
        sessions::session_end(&mut conn, &secret::hash(secret)).await?;
        Ok(())
    }

    /// Shows a code that waits for a person.
    pub(crate) async fn read_code(&self, code: &UserCode) -> Result<Option<PendingCode>, Error> {
        let mut conn = self.store.get().await?;
        Ok(codes::code_pending(&mut conn, code, self.clock.now()).await?)
    }
}
