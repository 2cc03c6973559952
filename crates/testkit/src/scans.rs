//! Which statements read whole tables: PostgreSQL counts it, whoever sends them.

use crate::{Database, PATIENCE, until};
use diesel::QueryableByName;
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use store::{Store, sql};

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Watches what is read of a database. Most watch one in which reading a table whole is dear, as it is where tables are large: a statement does so only
/// when no index serves it.
pub struct Scans<'a> {
    database: &'a Database,
    store: Store,
}

impl<'a> Scans<'a> {
    /// Watches a database as it is: what is read is what PostgreSQL thinks best.
    pub fn plain(database: &'a Database) -> Self {
        Self { database, store: database.store() }
    }

    /// Begins before a service connects.
    pub async fn new(database: &'a Database) -> Self {
        let scans = Self { database, store: database.store() };
        let name = database.name();
        scans.run(&format!("alter database {name} set enable_seqscan = off")).await;
        scans
    }

    /// Forgets what was read so far; `table` is one that the migrations have read, so that their end is noticed.
    pub async fn forget(&self, table: &str) {
        until(PATIENCE, async || {
            self.of("seq_scan", "pg_stat_user_tables", "relname", table).await > 0
        })
        .await;
        self.run("select pg_stat_reset()").await;
    }

    /// Checks, once all sessions but its own have ended, that none of `tables` was read whole and that each of
    /// `indexes` was used.
    pub async fn check(&self, tables: &[&str], indexes: &[&str]) {
        self.ended().await;
        for table in tables {
            let whole = self.of("seq_scan", "pg_stat_user_tables", "relname", table).await;
            assert_eq!(whole, 0, "{table} was read whole");
        }
        for index in indexes {
            let used = self.of("idx_scan", "pg_stat_user_indexes", "indexrelname", index).await;
            assert!(used > 0, "{index} was not used");
        }
    }

    /// Gives how many rows of a table were read, whole or by index, once all sessions but its own have ended.
    pub async fn rows(&self, table: &str) -> i64 {
        self.ended().await;
        let read = "coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)";
        self.of(read, "pg_stat_user_tables", "relname", table).await
    }

    /// Waits until what all other sessions have read is counted, which is at their ends.
    async fn ended(&self) {
        let others = format!(
            "select count(*) as number from pg_stat_activity where datname = '{}' and pid <> pg_backend_pid()
                 and backend_type = 'client backend' and application_name <> 'writ'",
            self.database.name()
        );
        until(PATIENCE, async || self.number(&others).await == 0).await;
    }

    async fn of(&self, what: &str, view: &str, column: &str, name: &str) -> i64 {
        let sum = format!("select coalesce(sum({what}), 0)::bigint as number from {view}");
        self.number(&format!("{sum} where {column} = '{name}' and schemaname = 'public'")).await
    }

    async fn number(&self, statement: &str) -> i64 {
        let mut conn = self.store.get().await.expect("no connection");
        let number: Number = sql(statement).get_result(&mut conn).await.expect(statement);
        number.number
    }

    async fn run(&self, statement: &str) {
        let mut conn = self.store.get().await.expect("no connection");
        sql(statement).execute(&mut conn).await.expect(statement);
    }
}
