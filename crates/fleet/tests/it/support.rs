//! A database with a copy in it, and agents to put there.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use fleet::AgentRow;
use std::collections::BTreeMap;
use store::{PooledConn, Store, sql};
use testkit::Database;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use types::messages::{AgentChanged, AgentSeen};
use types::{AgentId, AgentStatus, AgentUid, Environment, Transport};
use uuid::Uuid;

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-21 12:00:00 UTC);
const COMMANDS: EmbeddedMigrations = embed_migrations!("tests/it/migrations");

/// Is a database with a copy of agents and a table of commands.
pub(crate) struct Copy {
    pub(crate) store: Store,
    _database: Database,
}

impl Copy {
    pub(crate) async fn new() -> Self {
        let migrations = vec![messaging::MIGRATIONS, auth::MIGRATIONS, fleet::MIGRATIONS, COMMANDS];
        let database = Database::new("fleet", migrations).await;
        Self { store: database.store(), _database: database }
    }

    pub(crate) async fn with(agents: &[AgentChanged]) -> Self {
        let copy = Self::new().await;
        copy.apply(agents).await;
        copy
    }

    /// Takes states; tells how many changed anything.
    pub(crate) async fn apply(&self, agents: &[AgentChanged]) -> usize {
        let mut conn = self.conn().await;
        fleet::apply_changed(&mut conn, agents).await.unwrap()
    }

    /// Takes hearings; tells how many changed anything.
    pub(crate) async fn hear(&self, seen: &[AgentSeen]) -> usize {
        let mut conn = self.conn().await;
        fleet::apply_seen(&mut conn, seen).await.unwrap()
    }

    pub(crate) async fn run(&self, statement: &str) {
        let mut conn = self.conn().await;
        sql(statement).execute(&mut conn).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }

    pub(crate) async fn find(&self, id: i64) -> Option<AgentRow> {
        let mut conn = self.conn().await;
        fleet::find(&mut conn, &[id]).await.unwrap().pop()
    }

    pub(crate) async fn conn(&self) -> PooledConn {
        self.store.get().await.unwrap()
    }

    pub(crate) async fn row(&self, id: i64) -> AgentRow {
        self.find(id).await.unwrap()
    }

    /// Gives the names of the agents that a target reaches, by name.
    pub(crate) async fn reached(&self, target: &str) -> Vec<String> {
        self.agents(target).await.into_iter().map(|agent| agent.name).collect()
    }

    /// Gives the agents that a target reaches, by name.
    pub(crate) async fn agents(&self, target: &str) -> Vec<AgentRow> {
        let parsed = fleet::parse_target(target).unwrap_or_else(|e| panic!("{target}: {e}"));
        let mut conn = self.conn().await;
        let sample = fleet::sample(&mut conn, &parsed, NOW, 1000).await;
        let sample = sample.unwrap_or_else(|e| panic!("{target}: {e}"));
        let count = fleet::count(&mut conn, &parsed, NOW).await.unwrap();
        assert_eq!(usize::try_from(count).unwrap(), sample.len(), "{target}");
        sample
    }

    /// Gives the plan of a statement, as PostgreSQL makes it when reading all rows is dear.
    pub(crate) async fn plan(&self, statement: &str, binds: Vec<store::Value>) -> String {
        let mut conn = self.conn().await;
        sql("set enable_seqscan = off").execute(&mut conn).await.unwrap();
        let explain = store::bind(format!("explain {statement}"), binds);
        let lines: Vec<Line> = explain.get_results(&mut conn).await.unwrap();
        lines.into_iter().map(|line| line.line + "\n").collect()
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// Gives an agent that is online, on a machine of its own.
pub(crate) fn agent(number: i64, name: &str) -> AgentChanged {
    AgentChanged {
        number: AgentId(number),
        id: AgentUid(Uuid::from_u128(u128::try_from(number).unwrap())),
        name: name.into(),
        queueloc: format!("linux.{name}.{number}"),
        transport: Transport::Writ,
        mode: "daemon".into(),
        version: "0.1.0".into(),
        pid: 100 + number,
        status: AgentStatus::Online,
        environment: Environment { os: "linux".into(), ..Environment::default() },
        tags: BTreeMap::new(),
        loader_name: String::new(),
        team: None,
        plugins: vec![],
        started: NOW - Duration::hours(2),
        last_seen: NOW - Duration::seconds(10),
        refreshed: NOW - Duration::hours(1),
        conflict_since: None,
        revision: 1,
    }
}
