//! The start of a service, in the order in which it can fail clearly: ports, database, migrations, broker, callers.

use crate::look::Look;
use crate::{
    Common, Health, Notes, Parts, Running, Service, Settings, Tasks, running, wait,
    watch_certificates,
};
use anyhow::{Context, anyhow};
use auth::Replica;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel_migrations::EmbeddedMigrations;
use messaging::{Bus, Shutdown};
use std::future::ready;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Probe, Store};
use tokio::sync::Mutex;
use types::Clock;
use web::{Site, Witness, admin, server};

/// How often the dependencies are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a port that is in use is waited for.
const LET_GO: Duration = Duration::from_secs(3);

/// Starts a service; it serves when this returns. It stops when `shutdown` is triggered, by whoever.
pub async fn start<S: Service>(
    settings: Settings<S>,
    shutdown: Shutdown,
) -> anyhow::Result<Running<S>> {
    let common = &settings.common;
    for variable in Settings::<S>::unknown(std::env::vars_os().map(|(name, _)| name)) {
        tracing::warn!(variable, "no setting has this name; see --help for those that there are");
    }
    let listener = bind(common.listen()).await?;
    let admin_listener = bind(common.admin_listen()).await?;
    let (address, admin_address) = (listener.local_addr()?, admin_listener.local_addr()?);
    let health = Health::default();
    let home = tokio::runtime::Handle::current();
    let tasks = Tasks::new(home.clone(), health.clone(), shutdown.clone());
    let relays = Tasks::new(home.clone(), health.clone(), shutdown.clone());
    let admin = admin::serve(admin_listener, Arc::new(health.clone()))?;
    let admin_handle = admin.handle();
    // the admin port answers to the end, when all other tasks are over: it is not one of them
    let admin = home.spawn(admin);

    let parts = parts::<S>(&settings, tasks.clone(), shutdown.clone()).await?;
    let service = S::build(parts.clone(), settings.config.clone());
    let service = Arc::new(service.await.with_context(|| format!("{} cannot start", S::NAME))?);
    let work = Shutdown::new();
    let relay = Shutdown::new();
    relays.spawn("relay", messaging::relay(parts.bus.clone(), parts.store.clone(), relay.clone()));
    run_work(&service, &parts, &work);
    let probe = Probe::new(&common.store(S::NAME)?)?;
    let look = Look::new::<S>(health.clone(), parts.clone(), versions::<S>()?, probe);
    let look = Arc::new(Mutex::new(look));
    watch(&look, &parts, &work);
    let watched = [
        ("database", common.store(S::NAME)?.certificate_files()?),
        ("broker", common.bus()?.certificate_files()?),
    ];
    for (peer, files) in watched {
        watch_certificates(S::NAME, peer, files, &tasks, work.clone());
    }
    let broker = "the broker (AMQP_URL)";
    wait::until(broker, common.start_timeout(), &shutdown, || ready(parts.bus.is_connected()))
        .await
        .map_err(|error| health.failure().map_or(error, |reason| anyhow!(reason)))
        .map_err(|error| match parts.bus.fault() {
            Some(fault) if !shutdown.is_triggered() => error.context(fault),
            _ => error,
        })?;

    let witness = S::witness(&service).unwrap_or_else(|| noting(&parts, &work));
    let site = site(&service, &parts, common, witness);
    let http = server::own(listener, &common.server(), &site)?;
    let http_handle = http.handle();
    tasks.spawn_fallible("http", async { http.await.context("the server of callers ended") });
    look.lock().await.once().await;
    health.serving();
    tracing::info!(service = S::NAME, %address, admin = %admin_address, "serving");
    Ok(Running {
        address,
        admin_address,
        service,
        parts,
        site,
        ending: running::Ending {
            health,
            tasks,
            relays,
            http: http_handle,
            admin: admin_handle,
            admin_task: admin,
            work,
            relay,
            linger: common.linger(),
            drain: common.drain(),
        },
    })
}

/// Takes a port. One that is in use is asked for again for a while: the process that was killed a moment ago and that
/// this one replaces may not have let go of it yet.
async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    let until = Instant::now() + LET_GO;
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            bound => return bound.with_context(|| format!("cannot listen on {address}")),
        }
    }
}

/// Makes what a service stands on; migrates first, unless told not to.
pub async fn parts<S: Service>(
    settings: &Settings<S>,
    tasks: Tasks,
    shutdown: Shutdown,
) -> anyhow::Result<Parts> {
    let common = &settings.common;
    let database = common.store(S::NAME)?;
    let bus = Bus::new(S::NAME, &common.bus()?)?;
    if common.migrates() {
        migrate::<S>(common).await?;
    }
    let store = Store::new(store::pool(&database, tokio::runtime::Handle::current())?);
    wait::until("the database", common.start_timeout(), &shutdown, || store.is_up()).await?;
    // a database that somebody else migrates may be an older one for a while
    let versions = versions::<S>()?;
    let probe = Mutex::new(Probe::new(&database)?);
    let current = async || {
        let lacking = probe.lock().await.lacking(&versions).await;
        lacking.is_some_and(|lacking| lacking.is_empty())
    };
    wait::until("the schema of this version", common.start_timeout(), &shutdown, current)
        .await
        .with_context(|| format!("was the database migrated? run `{} migrate`", S::NAME))?;
    let replica = Replica::load(&store, common.auth())
        .await
        .context("the investigators cannot be read; was the database migrated?")?;
    let clock = settings.clock.clone();
    let (origin, grace) = (common.origin(), common.linger() + common.drain());
    Ok(Parts { store, bus, replica, clock, origin, tasks, shutdown, grace })
}

/// Holds the migrations that every service's database has.
static SHARED: [EmbeddedMigrations; 2] = [messaging::MIGRATIONS, auth::MIGRATIONS];

/// Lends migrations that cannot be copied.
struct Source(&'static EmbeddedMigrations);

impl MigrationSource<Pg> for Source {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<Pg>>>> {
        self.0.migrations()
    }
}

/// Lists the versions of all migrations that a service's database has.
fn versions<S: Service>() -> anyhow::Result<Vec<String>> {
    let mut versions = Vec::new();
    for source in SHARED.iter().chain(S::MIGRATIONS) {
        let migrations: Vec<Box<dyn Migration<Pg>>> =
            source.migrations().map_err(|error| anyhow!("{error}"))?;
        versions.extend(migrations.iter().map(|migration| migration.name().version().to_string()));
    }
    Ok(versions)
}

/// Brings the service's database up to date.
pub(crate) async fn migrate<S: Service>(common: &Common) -> anyhow::Result<()> {
    let sources = SHARED.iter().chain(S::MIGRATIONS).map(Source).collect();
    let until = Instant::now() + common.start_timeout();
    let ran = store::migrate_until(&common.store(S::NAME)?, sources, until)
        .await
        .with_context(|| format!("the database of {} cannot be migrated", S::NAME))?;
    if !ran.is_empty() {
        tracing::info!(service = S::NAME, versions = ran.join(" "), "migrated the database");
    }
    Ok(())
}

/// Starts consumers and jobs, which end at `work`.
fn run_work<S: Service>(service: &Arc<S>, parts: &Parts, work: &Shutdown) {
    let Parts { bus, store, clock, tasks, .. } = parts;
    tasks.spawn("purge", messaging::purge(store.clone(), clock.clone(), work.clone()));
    for subscription in S::subscriptions() {
        let (messaging::Queue::Stream(name) | messaging::Queue::Process(name)) = subscription.queue;
        let service = Arc::clone(service);
        let consumer =
            messaging::consume(bus.clone(), store.clone(), service, subscription, work.clone());
        tasks.spawn(name, consumer);
    }
    for job in S::jobs() {
        let (service, work) = (Arc::clone(service), work.clone());
        tasks.spawn(job.name(), async move { job.repeat(S::NAME, &service, work).await });
    }
}

/// Looks at the dependencies until the end.
fn watch(look: &Arc<Mutex<Look>>, parts: &Parts, until: &Shutdown) {
    let (look, until) = (Arc::clone(look), until.clone());
    parts.tasks.clone().spawn("health", async move {
        while !until.is_triggered() {
            look.lock().await.once().await;
            let _ = tokio::time::timeout(LOOK, until.wait()).await;
        }
    });
}

/// Notes for the audit what is witnessed, and tells it to investigation-api until `end`.
fn noting(parts: &Parts, end: &Shutdown) -> Witness {
    let notes = Arc::new(Notes::default());
    let (sent, clock) = (Arc::clone(&notes), parts.clock.clone());
    let (parts, end) = (parts.clone(), end.clone());
    parts.tasks.clone().spawn("audit", async move {
        sent.send(&parts.store, &parts.bus, &parts.clock, &end).await;
    });
    Witness::new(move |noted| notes.note(clock.now(), noted))
}

/// Gives the service as a server mounts it.
fn site<S: Service>(service: &Arc<S>, parts: &Parts, common: &Common, witness: Witness) -> Site {
    use actix_web::web::Data;
    let witness = Data::new(witness);
    let service = Data::from(Arc::clone(service));
    let replica = Data::new(parts.replica.clone());
    let clock: Data<Clock> = Data::new(parts.clock.clone());
    let store = Data::new(parts.store.clone());
    let (cors, soarca) = (Data::new(common.cors()), Data::new(common.soarca_auth()));
    Site {
        name: S::NAME,
        mount: Arc::new(move |config| {
            config
                .app_data(service.clone())
                .app_data(replica.clone())
                .app_data(clock.clone())
                .app_data(store.clone())
                .app_data(cors.clone())
                .app_data(soarca.clone())
                .app_data(witness.clone());
            S::routes(config);
        }),
    }
}
