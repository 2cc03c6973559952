//! What loader-manifest can do; each file is one use case.

mod admit_loader;
mod answer_loader;
mod change_loader;
mod create_manifest;
mod keep_shelf;
mod known_keys;
mod recount_manifests;
mod show_loaders;
mod show_manifests;
mod show_rollout;
mod sign_manifest;
mod tell_all;

pub(crate) use answer_loader::Answer;
pub(crate) use create_manifest::Candidate;
pub(crate) use show_manifests::Whole;

use crate::config::Config;
use crate::domain::shelf::Signature;
use crate::error::Error;
use crate::store::manifests::Manifest;
use auth::Replica;
use messaging::Bus;
use service::Parts;
use std::sync::Arc;
use store::Store;
use tokio::sync::Semaphore;
use types::Clock;
use types::messages::ManifestChanged;

/// Holds what the use cases need.
pub struct App {
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) replica: Replica,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    known: known_keys::KnownKeys,
    kept: keep_shelf::Kept,
    /// One archive at a time is opened: it may take much memory.
    opening: Arc<Semaphore>,
    /// How many mebibytes of archives may yet be read.
    pub(crate) room: Arc<Semaphore>,
}

impl App {
    pub(crate) fn new(parts: Parts, config: Config) -> anyhow::Result<Self> {
        let Parts { store, bus, replica, clock, .. } = parts;
        Ok(Self {
            store,
            bus,
            replica,
            clock,
            config,
            known: known_keys::KnownKeys::new()?,
            kept: keep_shelf::Kept::default(),
            opening: Arc::new(Semaphore::new(1)),
            room: Arc::new(Semaphore::new(crate::http::ROOM)),
        })
    }

    /// Says how many signers a manifest needs.
    pub(crate) fn required(&self) -> usize {
        self.config.required_signatures.into()
    }
}

/// Does what keeps a processor busy beside the event loops; says that there is too much to do where it does not come to
/// it.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    web::cpu(work).await.map_err(|_busy| Error::Busy)
}

/// Tells of a manifest as it is now.
fn changed(manifest: &Manifest, signatures: &[Signature]) -> ManifestChanged {
    let mut signers: Vec<_> = signatures.iter().map(|signature| signature.signer).collect();
    signers.sort_unstable();
    ManifestChanged {
        id: manifest.id,
        name: manifest.name.clone(),
        target: manifest.target.clone(),
        status: manifest.status,
        created: manifest.created,
        signers,
        version: manifest.version,
    }
}
