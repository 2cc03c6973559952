//! Migrations under a lock, so that any number of processes may start at once.

use crate::connect::{connect, may_come_up};
use crate::settings::{Parsed, Settings};
use crate::{Conn, sql};
use anyhow::{Context, anyhow};
use diesel::QueryableByName;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::sql_types::Text;
use diesel_async::{AsyncMigrationHarness, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use std::time::{Duration, Instant};

/// Says how long [`migrate`] waits for a database that is not up yet.
const DEADLINE: Duration = Duration::from_mins(1);
/// How often a migration asks for a table that is in use, and how long it lets others go first.
const TRIES: u32 = 24;
const YIELD: Duration = Duration::from_millis(500);
/// Any number that no one else takes: `diesel_migrations` itself takes no lock.
const LOCK: i64 = 0x77_72_69_74;

/// Runs what is pending in `sources`, in their order, one process at a time; gives the versions that ran.
///
/// Waits up to a minute for a database that is not up yet; a wrong password or a missing database fails at once.
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
    take_turns(&mut conn).await?;
    // Whoever waits for a table's lock holds up all who come after it, those who only read, too: a change gives way
    // soon and comes again. What it had done of its transaction is gone then, and those that were whole are not pending
    // any more.
    sql("set lock_timeout = '5s'").execute(&mut conn).await?;
    let mut harness = AsyncMigrationHarness::new(conn);
    let mut ran = Vec::new();
    for source in sources {
        let mut tries = 1;
        let versions = loop {
            match harness.run_pending_migrations(Lent(&source)) {
                Ok(versions) => break versions.iter().map(ToString::to_string).collect::<Vec<_>>(),
                Err(error) if tries < TRIES && error.to_string().contains("lock timeout") => {
                    tracing::warn!(tries, "a table is in use; its migration is tried again");
                    tries += 1;
                    tokio::time::sleep(YIELD).await;
                }
                Err(error) => return Err(anyhow!("{error}").context("migration")),
            }
        };
        ran.extend(versions);
    }
    // the lock is the session's: it ends with the connection
    Ok(ran)
}

/// Lends a source, which is given away at each try.
struct Lent<'a, M>(&'a M);

impl<M: MigrationSource<Pg>> MigrationSource<Pg> for Lent<'_, M> {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<Pg>>>> {
        self.0.migrations()
    }
}

/// Waits until no other process migrates; says who does when it takes too long.
async fn take_turns(conn: &mut Conn) -> anyhow::Result<()> {
    sql("set lock_timeout = '120s'").execute(conn).await?;
    let Err(error) = sql(format!("select pg_advisory_lock({LOCK})")).execute(conn).await else {
        return Ok(());
    };
    let holder: Result<Holder, _> = sql(format!(
        "select format('%s, process %s at %s', a.application_name, a.pid, coalesce(host(a.client_addr), 'the server')) as who
         from pg_locks l join pg_stat_activity a using (pid)
         where l.locktype = 'advisory' and l.granted and l.database = (select oid from pg_database where datname = current_database())
           and (l.classid::bigint << 32 | l.objid::bigint) = {LOCK}"
    ))
    .get_result(conn)
    .await;
    let holder = holder.map_or_else(|_| "another process".to_owned(), |holder| holder.who);
    Err(error).with_context(|| format!("{holder} has been migrating this database for two minutes"))
}

#[derive(QueryableByName)]
struct Holder {
    #[diesel(sql_type = Text)]
    who: String,
}
