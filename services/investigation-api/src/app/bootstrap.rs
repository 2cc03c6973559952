//! Creates the first administrator, at the database, once.

use super::App;
use super::api_key::new_api_key;
use super::change_investigators::{LONGEST_NAME, is_name, known_key};
use crate::domain::audit::{Actor, Entry};
use crate::error::Error;
use crate::store::audit::audit_append;
use crate::store::investigators::{NewInvestigator, administrator_exists, investigator_insert};
use signing::key::PublicKey;
use types::{InvestigatorId, Permissions};

/// Is the administrator that was created.
pub(crate) struct FirstAdministrator {
    pub(crate) id: InvestigatorId,
    /// Its key's fingerprint.
    pub(crate) fingerprint: String,
    /// Its API key in clear, shown this once.
    pub(crate) api_key: Option<String>,
}

impl App {
    /// Creates an investigator with every permission; refused while there is an active administrator.
    pub(crate) async fn bootstrap(
        &self,
        name: &str,
        public_key: &str,
        with_api_key: bool,
    ) -> Result<FirstAdministrator, Error> {
        let now = self.clock.now();
        if !is_name(name) {
            let detail = format!(
                "give a name of 1 to {LONGEST_NAME} characters, no control character among them"
            );
            return Err(Error::invalid("name-invalid", "--name", detail));
        }
        let key = PublicKey::parse(public_key)
            .map_err(|error| Error::invalid("key-invalid", "--public-key", error))?;
        let fingerprint = key.fingerprint();
        let armored = key.armored();
        let api_key = with_api_key.then(new_api_key);
        let hash = api_key.as_deref().map(auth::api_key_hash);
        let id = self
            .store
            .tx(async |conn| -> Result<InvestigatorId, Error> {
                if administrator_exists(conn).await? {
                    return Err(Error::Conflict(
                        "there is an administrator already; ask one of them to create investigators".into(),
                    ));
                }
                let new = NewInvestigator {
                    name,
                    fingerprint: Some(&fingerprint),
                    public_key: Some(&armored),
                    permissions: Permissions::all(),
                    api_key_sha256: hash.as_deref(),
                };
                let taken =
                    "this key belongs to an investigator who is no active administrator; use another key";
                let made = investigator_insert(conn, &new, now).await;
                let made = made.map_err(|error| known_key(error, taken))?;
                self.replica.apply(conn, &made).await?;
                self.bus.put(conn, now, &made).await?;
                let subject = format!("investigator {}", made.id);
                let entry = Entry::done(now, &Actor::local(), "administrator.created", subject, &fingerprint);
                audit_append(conn, &[entry]).await?;
                Ok(made.id)
            })
            .await?;
        self.bus.wake();
        Ok(FirstAdministrator { id, fingerprint, api_key })
    }
}
