//! agent-gateway: the only service that speaks with agents.
//!
//! It enrols them (device flow), knows them (identity, machine, plugins, whether they are alive), keeps what waits for
//! each in a mailbox, hands it out under leases and takes the answers back.
//! `http`, `consume`, `jobs` and `mig` (agents over AMQP) are the ways in; each calls one function of `app`.

mod app;
mod config;
mod consume;
mod domain;
mod error;
mod http;
mod jobs;
mod mig;
mod store;

pub use crate::store::HOT_QUERIES;
pub use app::App;
pub use config::Config;
pub use error::Error;

use auth::{HasReplica, Replica};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use messaging::{Bus, Subscription};
use service::{Job, Parts, Service};
use std::sync::Arc;
use std::time::Duration;
use types::Clock;
use utoipa_actix_web::service_config::ServiceConfig;
use web::Guesses;

/// Is the service: its use cases behind HTTP, messages and timers.
pub struct AgentGateway {
    /// What it can do.
    pub app: Arc<App>,
    guesses: Guesses,
}

impl Service for AgentGateway {
    const NAME: &'static str = "agent-gateway";
    const MIGRATIONS: &'static [EmbeddedMigrations] = &[embed_migrations!()];
    /// RunbookSolutions agents end when they are not answered (specs/runbook/backend.md §4.1).
    const NEEDS_BROKER: bool = false;
    const HOLDS_CALLERS: Duration = app::patience::LONGEST;
    type Config = Config;

    async fn build(parts: Parts, config: Config) -> anyhow::Result<Self> {
        let (tasks, shutdown) = (parts.tasks.clone(), parts.shutdown.clone());
        let (mig, asked) = mig::Mig::new(&config);
        let app = Arc::new(App::new(parts, config, mig));
        mig::run(&app, asked, &tasks, &shutdown).await?;
        Ok(Self { app, guesses: Guesses::default() })
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

impl HasReplica for AgentGateway {
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
