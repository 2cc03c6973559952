//! What a service is, and what it is given.

use crate::{Job, Tasks};
use auth::Replica;
use clap::ArgMatches;
use diesel_migrations::EmbeddedMigrations;
use messaging::{Bus, Shutdown, Subscription};
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use types::Clock;
use utoipa_actix_web::service_config::ServiceConfig;
use web::{Origin, Witness};

/// Is what every service stands on.
#[derive(Clone)]
pub struct Parts {
    /// The service's own database.
    pub store: Store,
    /// The way to the other services.
    pub bus: Bus,
    /// The investigators.
    pub replica: Replica,
    /// The time.
    pub clock: Clock,
    /// Stands before every link that is given out.
    pub origin: Origin,
    /// Runs what the service starts beside its requests; a panic there ends the process.
    pub tasks: Tasks,
    /// Is triggered when the process is to end: whoever makes a caller wait lets it go then.
    pub shutdown: Shutdown,
    /// How long after that requests may take.
    pub grace: Duration,
}

/// Is one of the services: a name, tables, routes, subscriptions and jobs.
pub trait Service: Send + Sync + Sized + 'static {
    /// The name, as in `types::paths`.
    const NAME: &'static str;
    /// The migrations of the crates that bring tables of their own, and then the service's; those of `messaging` and
    /// `auth` run before.
    const MIGRATIONS: &'static [EmbeddedMigrations];
    /// Whether a process gets no callers while the broker is away. Not, where they need an answer more than the other
    /// services need the news: what is written waits in the outbox.
    const NEEDS_BROKER: bool = true;
    /// How long callers are held while the database is away: so long a process without it gets them all the same.
    const HOLDS_CALLERS: Duration = Duration::ZERO;
    /// The settings that are this service's own.
    type Config: clap::Args + clap::FromArgMatches + Clone + Send + Sync + 'static;

    /// Puts the service together; its database is migrated.
    fn build(
        parts: Parts,
        config: Self::Config,
    ) -> impl Future<Output = anyhow::Result<Self>> + Send;

    /// Mounts the routes. Only `.service(handler)` gets into the service's description.
    fn routes(config: &mut ServiceConfig<'_>);

    /// Lists what the service listens to.
    fn subscriptions() -> Vec<Subscription<Self>> {
        Vec::new()
    }

    /// Lists what the service does by the clock.
    fn jobs() -> Vec<Job<Self>> {
        Vec::new()
    }

    /// Gives who is told of what the audit keeps; without one, it is told to investigation-api by message.
    fn witness(_service: &Arc<Self>) -> Option<Witness> {
        None
    }

    /// Lists subcommands of the service's own, beside `migrate` and `openapi`.
    fn commands() -> Vec<clap::Command> {
        Vec::new()
    }

    /// Runs the subcommand `name`; the database is migrated and nothing else runs.
    fn command(
        _parts: Parts,
        _config: Self::Config,
        name: &str,
        _matches: &ArgMatches,
    ) -> impl Future<Output = anyhow::Result<ExitCode>> + Send {
        let error = anyhow::anyhow!("{} has no command {name:?}", Self::NAME);
        async { Err(error) }
    }
}
