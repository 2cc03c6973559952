//! Decides when an action runs, on whom, and what happens next.
//!
//! It keeps one `run` per accepted action and one `command` per agent aimed at. Nothing runs on the word of a message
//! alone: the signatures of each action are verified here again, against this service's own copy of the keys.
//!
//! It also runs playbooks: an `execution` per run of one and an `execution_step` per run of a step, written down at
//! each boundary, so that any scheduler goes on where another stopped.

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
use std::sync::Arc;
use types::Clock;
use utoipa_actix_web::service_config::ServiceConfig;

/// Is the service: its use cases behind messages and timers.
pub struct Scheduler {
    /// What it can do.
    pub app: Arc<App>,
}

impl Service for Scheduler {
    const NAME: &'static str = "scheduler";
    const MIGRATIONS: &'static [EmbeddedMigrations] = &[fleet::MIGRATIONS, embed_migrations!()];
    type Config = Config;

    async fn build(parts: Parts, config: Config) -> anyhow::Result<Self> {
        Ok(Self { app: Arc::new(App::new(parts, config)) })
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

impl HasReplica for Scheduler {
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
