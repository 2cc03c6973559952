//! Asks people: the manual steps of playbooks and their answers.
//!
//! The scheduler asks for steps; people answer them under SOARCA's paths, under `/v1/steps` or on a page; one row
//! decides which answer was the first and whether it was in time. `http`, `consume` and `jobs` are the ways in; each
//! calls one function of `app`.

mod app;
mod config;
mod consume;
mod domain;
mod error;
mod http;
mod jobs;
mod notify;
mod store;

pub use app::App;
pub use config::Config;
pub use error::Error;

use auth::{HasReplica, Replica};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use messaging::{Bus, Subscription};
use service::{Job, Parts, Service};
use types::Clock;
use utoipa_actix_web::service_config::ServiceConfig;
use web::Guesses;

/// Is the service: its use cases behind HTTP, messages and timers.
pub struct ManualInteraction {
    /// What it can do.
    pub app: App,
    guesses: Guesses,
}

impl Service for ManualInteraction {
    const NAME: &'static str = "manual-interaction";
    const MIGRATIONS: &'static [EmbeddedMigrations] = &[embed_migrations!()];
    type Config = Config;

    async fn build(parts: Parts, config: Config) -> anyhow::Result<Self> {
        Ok(Self { app: App::new(parts, config)?, guesses: Guesses::default() })
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

impl HasReplica for ManualInteraction {
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
