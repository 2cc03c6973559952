//! Creates and changes investigators: the table, this process's keys, the word to the others and the audit in one
//! transaction.

use super::App;
use super::api_key::new_api_key;
use crate::domain::audit::{Actor, Entry};
use crate::error::Error;
use crate::store::audit::audit_append;
use crate::store::investigators::{
    NewInvestigator, investigator_find, investigator_insert, investigator_update,
    investigators_lock, other_administrator_exists,
};
use signing::key::PublicKey;
use store::Failure;
use time::OffsetDateTime;
use types::messages::InvestigatorChanged;
use types::{InvestigatorId, InvestigatorStatus, Permission, Permissions};

/// Says how many characters an investigator's name may have.
pub(super) const LONGEST_NAME: usize = 1024;

/// Is someone to be created.
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a str,
    pub(crate) permissions: Permissions,
    /// Their armored public key; one without works by API key alone.
    pub(crate) public_key: Option<&'a str>,
}

/// Says what becomes of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiKey {
    /// A new one is made; the one before counts no longer.
    New,
    /// There is none any more.
    None,
}

/// Says what is to be changed; all of it or nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    pub(crate) status: Option<InvestigatorStatus>,
    pub(crate) permissions: Option<Permissions>,
    pub(crate) api_key: Option<ApiKey>,
}

impl App {
    /// Gives an investigator, whether active or not.
    pub(crate) async fn show_investigator(
        &self,
        id: InvestigatorId,
    ) -> Result<Option<InvestigatorChanged>, Error> {
        let mut conn = self.store.get().await?;
        Ok(investigator_find(&mut conn, id).await?)
    }

    /// Creates an active investigator with permissions that the creator, who `holds` these, may give. A key that could
    /// never sign is refused.
    pub(crate) async fn create_investigator(
        &self,
        actor: &Actor,
        holds: Permissions,
        candidate: &Candidate<'_>,
    ) -> Result<InvestigatorChanged, Error> {
        let now = self.clock.now();
        let made = match may_give(holds, candidate.permissions) {
            Ok(()) => self.insert_investigator(actor, candidate, now).await,
            Err(error) => Err(error),
        };
        let made = made.inspect_err(|error| {
            self.note_refusal(actor, "investigator.created", "", error);
        })?;
        self.replica.learn(std::slice::from_ref(&made));
        self.bus.wake();
        tracing::info!(investigator.id = %made.id, "created");
        Ok(made)
    }

    async fn insert_investigator(
        &self,
        actor: &Actor,
        candidate: &Candidate<'_>,
        now: OffsetDateTime,
    ) -> Result<InvestigatorChanged, Error> {
        let name = candidate.name;
        if name.is_empty() {
            return Err(Error::invalid("name-invalid", "", "Investigator name must not be empty"));
        }
        if !is_name(name) {
            let detail = format!(
                "Investigator name must have at most {LONGEST_NAME} characters and no control character"
            );
            return Err(Error::invalid("name-invalid", "", detail));
        }
        let key = candidate.public_key.map(|armored| self.usable_key(armored, now)).transpose()?;
        let (fingerprint, armored) = key.map(|key| (key.fingerprint(), key.armored())).unzip();
        self.store
            .tx(async |conn| -> Result<InvestigatorChanged, Error> {
                let new = NewInvestigator {
                    name,
                    fingerprint: fingerprint.as_deref(),
                    public_key: armored.as_deref(),
                    permissions: candidate.permissions,
                    api_key_sha256: None,
                };
                let made = investigator_insert(conn, &new, now).await;
                let made = made.map_err(|error| {
                    known_key(error, "Investigator's PGP Fingerprint already exists in database")
                })?;
                self.replica.apply(conn, &made).await?;
                self.bus.put(conn, now, &made).await?;
                let subject = format!("investigator {}", made.id);
                let detail = format!(
                    "name={name:?} key={} permissions={}",
                    fingerprint.as_deref().unwrap_or("none"),
                    candidate.permissions.0
                );
                let entry = Entry::done(now, actor, "investigator.created", subject, &detail);
                audit_append(conn, &[entry]).await?;
                Ok(made)
            })
            .await
    }

    /// Reads a key and checks that its signatures would count now.
    fn usable_key(&self, armored: &str, now: OffsetDateTime) -> Result<PublicKey, Error> {
        if armored.trim().is_empty() {
            let detail = "Investigator Public Key must not be empty";
            return Err(Error::invalid("key-invalid", "", detail));
        }
        let wrong = |error: String| {
            Error::invalid("key-invalid", "", format!("LoadArmoredPubKey() -> {error}"))
        };
        let key = PublicKey::parse(armored).map_err(|error| wrong(error.to_string()))?;
        let keyring = self.replica.current();
        key.check(now, &keyring.settings().policy).map_err(|error| wrong(error.to_string()))?;
        Ok(key)
    }

    /// Changes an investigator, as one may who `holds` these permissions. The last administrator who can log in can be
    /// neither removed nor disabled. Gives the new API key where one was asked for; it is shown this once.
    pub(crate) async fn change_investigator(
        &self,
        actor: &Actor,
        holds: Permissions,
        id: InvestigatorId,
        change: &Change,
    ) -> Result<Option<String>, Error> {
        let api_key = (change.api_key == Some(ApiKey::New)).then(new_api_key);
        let hash = api_key.as_deref().map(auth::api_key_hash);
        let changed = self.update_investigator(actor, holds, id, change, hash).await;
        let changed = changed.inspect_err(|error| {
            let subject = format!("investigator {id}");
            self.note_refusal(actor, "investigator.changed", &subject, error);
        })?;
        self.replica.learn(&[changed]);
        self.bus.wake();
        tracing::info!(investigator.id = %id, "changed");
        Ok(api_key)
    }

    async fn update_investigator(
        &self,
        actor: &Actor,
        holds: Permissions,
        id: InvestigatorId,
        change: &Change,
        hash: Option<String>,
    ) -> Result<InvestigatorChanged, Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| -> Result<InvestigatorChanged, Error> {
                investigators_lock(conn).await?;
                let Some(before) = investigator_find(conn, id).await? else {
                    return Err(Error::NotFound(format!("Investigator ID '{id}'")));
                };
                let administered = administers(&before);
                let (held, slept) =
                    (before.permissions, before.status != InvestigatorStatus::Active);
                let after = changed(before, change, hash.clone(), now);
                // whoever has somebody's key has all their permissions, and one who is disabled has none
                let woken = slept && after.status == InvestigatorStatus::Active;
                let had = if woken || change.api_key == Some(ApiKey::New) { 0 } else { held };
                may_give(holds, Permissions(after.permissions & !had))?;
                if administered
                    && !administers(&after)
                    && !other_administrator_exists(conn, id).await?
                {
                    let detail = "Failed to update investigator: 'will not remove last admin'";
                    return Err(Error::Conflict(detail.into()));
                }
                investigator_update(conn, &after).await?;
                self.replica.apply(conn, &after).await?;
                self.bus.put(conn, now, &after).await?;
                let subject = format!("investigator {id}");
                let entry = Entry::done(now, actor, "investigator.changed", subject, &told(change));
                audit_append(conn, &[entry]).await?;
                Ok(after)
            })
            .await
    }
}

/// Refuses to give permissions away that one does not hold; an administrator may give them all.
fn may_give(holds: Permissions, given: Permissions) -> Result<(), Error> {
    let more = Permissions(given.0 & !holds.0);
    if holds.administers() || more.0 == 0 {
        return Ok(());
    }
    let names = Permission::ALL.iter().filter(|permission| more.has(**permission));
    let names = names.map(|permission| permission.name()).collect::<Vec<_>>().join(", ");
    Err(Error::Denied(format!(
        "Insufficient permissions: you do not hold {names}, so you cannot give them; ask an administrator"
    )))
}

/// Gives the state after a change.
fn changed(
    mut state: InvestigatorChanged,
    change: &Change,
    hash: Option<String>,
    now: OffsetDateTime,
) -> InvestigatorChanged {
    if let Some(status) = change.status {
        state.status = status;
    }
    if let Some(permissions) = change.permissions {
        state.permissions = permissions.0;
    }
    if change.api_key.is_some() {
        state.api_key_sha256 = hash;
    }
    state.modified = now;
    state.version = state.version.saturating_add(1);
    state
}

/// Tells whether they can log in and change investigators.
fn administers(state: &InvestigatorChanged) -> bool {
    state.status == InvestigatorStatus::Active
        && Permissions(state.permissions).administers()
        && (state.public_key.is_some() || state.api_key_sha256.is_some())
}

/// Says for the audit what was changed; never a key.
fn told(change: &Change) -> String {
    let mut words = Vec::new();
    if let Some(status) = change.status {
        words.push(format!("status={}", status.name()));
    }
    if let Some(permissions) = change.permissions {
        words.push(format!("permissions={}", permissions.0));
    }
    match change.api_key {
        Some(ApiKey::New) => words.push("apikey=new".into()),
        Some(ApiKey::None) => words.push("apikey=none".into()),
        None => {}
    }
    words.join(" ")
}

/// Tells whether an investigator may be called so.
pub(super) fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control)
}

/// Says what stands against a new row, `taken` where it is another one: only its key can be.
pub(super) fn known_key(error: diesel::result::Error, taken: &str) -> Error {
    match error.into() {
        Failure::Conflict { .. } => Error::Conflict(taken.into()),
        failure => Error::Store(failure),
    }
}
