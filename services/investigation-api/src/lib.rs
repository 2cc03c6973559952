//! Takes signed actions from investigators and shows what became of them.
//!
//! It owns the investigators and the accepted actions. How runs stand, which commands there are, what agents answered
//! and which agents exist is told by the others and kept here for reading; no request waits for another service.

mod app;
mod audit;
mod bootstrap;
mod config;
mod consume;
mod domain;
mod error;
mod http;
mod jobs;
mod plans;
mod store;

pub use app::App;
pub use config::Config;
pub use plans::{
    actions_page_as_text, commands_page_as_text, search_as_text, search_behind_as_text,
};

use auth::{HasReplica, Replica};
use clap::{ArgMatches, Command};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use messaging::{Bus, Subscription};
use service::{Job, Parts, Service};
use std::process::ExitCode;
use std::sync::Arc;
use types::Clock;
use utoipa_actix_web::service_config::ServiceConfig;
use web::Witness;

/// Is the service: its use cases behind HTTP, messages and timers.
pub struct InvestigationApi {
    /// What it can do.
    pub app: Arc<App>,
    config: Config,
}

impl Service for InvestigationApi {
    const NAME: &'static str = "investigation-api";
    const MIGRATIONS: &'static [EmbeddedMigrations] = &[fleet::MIGRATIONS, embed_migrations!()];
    type Config = Config;

    async fn build(parts: Parts, config: Config) -> anyhow::Result<Self> {
        Ok(Self { app: Arc::new(App::new(parts)), config })
    }

    fn routes(cfg: &mut ServiceConfig<'_>) {
        http::routes(cfg);
    }

    fn subscriptions() -> Vec<Subscription<Self>> {
        consume::subscriptions()
    }

    fn jobs() -> Vec<Job<Self>> {
        jobs::jobs()
    }

    fn witness(service: &Arc<Self>) -> Option<Witness> {
        let service = Arc::clone(service);
        Some(Witness::new(move |noted| service.app.note_witnessed(noted)))
    }

    fn commands() -> Vec<Command> {
        vec![bootstrap::command(), audit::command()]
    }

    async fn command(
        parts: Parts,
        _config: Config,
        name: &str,
        matches: &ArgMatches,
    ) -> anyhow::Result<ExitCode> {
        let app = App::new(parts);
        match name {
            bootstrap::NAME => bootstrap::run(&app, matches).await,
            audit::NAME => audit::run(&app, matches).await,
            _ => anyhow::bail!("there is no command {name:?}"),
        }
    }
}

impl HasReplica for InvestigationApi {
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
