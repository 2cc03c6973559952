//! Migrations under a lock, so that any number of processes may start at once.

use crate::connect::{connect, may_come_up};
use crate::settings::{Parsed, Settings};
use crate::{Conn, sql};
use anyhow::{Context, anyhow};
use diesel::migration::MigrationSource;
use diesel::pg::Pg;
use diesel_async::{AsyncMigrationHarness, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use std::time::{Duration, Instant};

/// Says how long [`migrate`] waits for a database that is not up yet.
pub const DEADLINE: Duration = Duration::from_mins(1);
/// Any number that no one else takes: `diesel_migrations` itself takes no lock.
const LOCK: i64 = 0x77_72_69_74;

/// Runs what is pending in `sources`, in their order, one process at a time; gives the versions that ran.
///
/// Waits up to [`DEADLINE`] for a database that is not up yet; a wrong password or a missing database fails at once.
pub async fn migrate(
    settings: &Settings,
    sources: Vec<EmbeddedMigrations>,
) -> anyhow::Result<Vec<String>> {
    migrate_until(settings, sources, Instant::now() + DEADLINE).await
}

/// Does as [`migrate`], with another deadline for the first connection.
pub async fn migrate_until<M: MigrationSource<Pg> + Send + 'static>(
    settings: &Settings,
    sources: Vec<M>,
    deadline: Instant,
) -> anyhow::Result<Vec<String>> {
    let parsed = Parsed::new(settings)?;
    // The harness blocks its thread while the connection must be driven: it gets a thread and a runtime of its own, so
    // that it neither panics on a current-thread runtime nor holds a worker of the caller's.
    let work = move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(async {
            let conn = wait_for(&parsed, deadline).await?;
            run(conn, sources).await
        })
    };
    tokio::task::spawn_blocking(work).await.context("the migration broke off")?
}

async fn wait_for(parsed: &Parsed, deadline: Instant) -> anyhow::Result<Conn> {
    let mut pause = Duration::from_millis(100);
    loop {
        // migrations may rightly take long: no statement time-out
        let error = match connect(parsed, Duration::ZERO).await {
            Ok(conn) => return Ok(conn),
            Err(error) => error,
        };
        if !may_come_up(&error) || Instant::now() + pause >= deadline {
            return Err(error.context("cannot connect to the database"));
        }
        tracing::warn!(error = %format!("{error:#}"), "the database is not up yet");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

async fn run<M: MigrationSource<Pg>>(
    mut conn: Conn,
    sources: Vec<M>,
) -> anyhow::Result<Vec<String>> {
    // the time-out covers the wait for the lock, and for the locks of each change
    sql("set lock_timeout = '120s'").execute(&mut conn).await?;
    sql(format!("select pg_advisory_lock({LOCK})"))
        .execute(&mut conn)
        .await
        .context("another process has been migrating this database for two minutes")?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let mut ran = Vec::new();
    for source in sources {
        let versions = harness
            .run_pending_migrations(source)
            .map_err(|e| anyhow!("{e}"))
            .context("migration")?;
        ran.extend(versions.iter().map(ToString::to_string));
    }
    // the lock is the session's: it ends with the connection
    Ok(ran)
}
