//! A service that is nothing but its copy of the investigators.

use auth::{HasReplica, Replica, Settings};
use messaging::{Bus, Shutdown};
use std::sync::Arc;
use store::{Failure, Store};
use testkit::{Database, Vhost, keys};
use time::OffsetDateTime;
use time::macros::datetime;
use types::messages::InvestigatorChanged;
use types::{Clock, InvestigatorId, InvestigatorStatus, Permission};

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-21 18:00 UTC);

pub(crate) struct Copy {
    pub(crate) replica: Replica,
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) clock: Clock,
}

impl HasReplica for Copy {
    fn replica(&self) -> &Replica {
        &self.replica
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn bus(&self) -> &Bus {
        &self.bus
    }

    fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl Copy {
    /// Starts as a process does: from what is in the database.
    pub(crate) async fn new(database: &Database, vhost: &Vhost) -> Arc<Self> {
        let store = database.store();
        let replica = Replica::load(&store, Settings::default()).await.unwrap();
        let bus = Bus::new("scheduler", &vhost.settings()).unwrap();
        Arc::new(Self { replica, store, bus, clock: Clock::fixed(NOW) })
    }

    /// Listens until `shutdown`.
    #[expect(clippy::disallowed_methods, reason = "the test ends them by the word to stop")]
    pub(crate) fn listen(self: &Arc<Self>, shutdown: &Shutdown) {
        let (bus, store) = (self.bus.clone(), self.store.clone());
        tokio::spawn(messaging::relay(bus.clone(), store.clone(), shutdown.clone()));
        let subscription = auth::subscription::<Self>();
        tokio::spawn(messaging::consume(
            bus,
            store,
            Arc::clone(self),
            subscription,
            shutdown.clone(),
        ));
    }

    /// Takes a state as its message would bring it.
    pub(crate) async fn take(&self, state: InvestigatorChanged) {
        let written = self.store.tx(async |conn| -> Result<(), Failure> {
            Ok(self.replica.apply(conn, &state).await?)
        });
        written.await.unwrap();
        self.replica.learn(&[state]);
    }

    pub(crate) fn name_of(&self, id: i64) -> Option<String> {
        self.replica.current().get(InvestigatorId(id)).map(|state| state.name.clone())
    }
}

pub(crate) async fn database() -> Database {
    Database::new("auth", vec![messaging::MIGRATIONS, auth::MIGRATIONS]).await
}

/// Gives an active investigator with a key and the API key `key of <name>`.
pub(crate) fn investigator(id: i64, name: &str, version: i64) -> InvestigatorChanged {
    let key = keys::of(name).public().clone();
    InvestigatorChanged {
        id: InvestigatorId(id),
        name: name.into(),
        fingerprint: Some(key.fingerprint()),
        public_key: Some(key.armored()),
        status: InvestigatorStatus::Active,
        permissions: Permission::Action.mask(),
        api_key_sha256: Some(auth::api_key_hash(&format!("key of {name}"))),
        created: NOW,
        modified: NOW,
        version,
    }
}

pub(crate) fn disabled(state: InvestigatorChanged) -> InvestigatorChanged {
    let version = state.version + 1;
    InvestigatorChanged { status: InvestigatorStatus::Disabled, version, ..state }
}
