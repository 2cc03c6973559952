//! Says what is installed: loaders, manifests and their signatures.
//!
//! People sign lists of files; loaders on the hosts ask which list is for them, verify it for themselves and fetch what
//! differs. `http`, `consume` and `jobs` are the ways in; each calls one function of `app`.

mod app;
mod config;
mod consume;
mod domain;
mod error;
mod http;
mod jobs;
mod store;

pub use app::App;
pub use config::Config;

use auth::{HasReplica, Replica};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use messaging::{Bus, Subscription};
use service::{Job, Parts, Service};
use types::Clock;
use utoipa_actix_web::service_config::ServiceConfig;

/// Is the service: its use cases behind HTTP, messages and timers.
pub struct LoaderManifest {
    /// What it can do.
    pub app: App,
}

impl Service for LoaderManifest {
    const NAME: &'static str = "loader-manifest";
    const MIGRATIONS: &'static [EmbeddedMigrations] = &[embed_migrations!()];
    type Config = Config;

    async fn build(parts: Parts, config: Config) -> anyhow::Result<Self> {
        Ok(Self { app: App::new(parts, config)? })
    }

    fn routes(config: &mut ServiceConfig<'_>) {
        http::routes(config);
    }

    fn subscriptions() -> Vec<Subscription<Self>> {
        consume::subscriptions()
    }

    fn jobs() -> Vec<Job<Self>> {
        jobs::jobs()
    }
}

impl HasReplica for LoaderManifest {
    fn replica(&self) -> &Replica {
        &self.app.replica
    }

    fn store(&self) -> &::store::Store {
        &self.app.store
    }

    fn bus(&self) -> &Bus {
        &self.app.bus
    }

    fn clock(&self) -> &Clock {
        &self.app.clock
    }
}
