//! Is the database there, asked apart from the pool.

use crate::connect::connect;
use crate::settings::Parsed;
use crate::{Conn, Settings, sql};
use diesel::QueryableByName;
use diesel::result::Error;
use diesel::sql_types::{Array, Text};
use diesel_async::RunQueryDsl;
use std::collections::HashSet;
use std::time::Duration;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the database over a connection of its own: a pool of which every connection is on loan says nothing of the
/// database.
pub struct Probe {
    parsed: Parsed,
    statement_timeout: Duration,
    conn: Option<Conn>,
}

impl Probe {
    /// Knows where the database is; connects when it is asked for the first time.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let parsed = Parsed::new(settings)?;
        Ok(Self { parsed, statement_timeout: settings.statement_timeout, conn: None })
    }

    /// Gives those of `versions` that the database's migrations lack, in their order; one that knows more is newer,
    /// which is fine. Nothing when the database does not answer within two seconds.
    pub async fn lacking(&mut self, versions: &[String]) -> Option<Vec<String>> {
        tokio::time::timeout(PATIENCE, self.ask(versions)).await.ok()?
    }

    async fn ask(&mut self, versions: &[String]) -> Option<Vec<String>> {
        let mut known = None;
        if let Some(conn) = self.conn.take() {
            known = self.read(conn, versions).await;
        }
        if known.is_none() {
            // the one before died, as all do when the database restarts
            let conn = connect(&self.parsed, self.statement_timeout).await.ok()?;
            known = self.read(conn, versions).await;
        }
        let known = known?;
        Some(versions.iter().filter(|version| !known.contains(*version)).cloned().collect())
    }

    /// Reads which of `versions` have run, and keeps the connection when it is good.
    async fn read(&mut self, mut conn: Conn, versions: &[String]) -> Option<HashSet<String>> {
        let known = known(&mut conn, versions).await.ok()?;
        self.conn = Some(conn);
        Some(known)
    }
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Gives those of `versions` that have run.
async fn known(conn: &mut Conn, versions: &[String]) -> Result<HashSet<String>, Error> {
    let rows: Vec<Version> = sql(
        "select version::text as version from __diesel_schema_migrations where version = any($1)",
    )
    .bind::<Array<Text>, _>(versions)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}
