//! Says what is installed: loaders, manifests and their signatures.
//!
//! So far it stands ready: it has its database, knows the investigators and says what it is.

mod config;

pub use config::Config;

use auth::{HasReplica, Replica};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use messaging::{Bus, Subscription};
use service::{Parts, Service};
use store::Store;
use types::Clock;
use utoipa_actix_web::service_config::ServiceConfig;

/// Is the service.
pub struct LoaderManifest {
    parts: Parts,
}

impl Service for LoaderManifest {
    const NAME: &'static str = "loader-manifest";
    const MIGRATIONS: &'static [EmbeddedMigrations] = &[embed_migrations!()];
    type Config = Config;

    async fn build(parts: Parts, _config: Config) -> anyhow::Result<Self> {
        Ok(Self { parts })
    }

    fn routes(_config: &mut ServiceConfig<'_>) {}

    fn subscriptions() -> Vec<Subscription<Self>> {
        vec![auth::subscription()]
    }
}

impl HasReplica for LoaderManifest {
    fn replica(&self) -> &Replica {
        &self.parts.replica
    }

    fn store(&self) -> &Store {
        &self.parts.store
    }

    fn bus(&self) -> &Bus {
        &self.parts.bus
    }

    fn clock(&self) -> &Clock {
        &self.parts.clock
    }
}
