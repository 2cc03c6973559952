//! Agents in memory and the same agents in tables as all services have them.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Nullable};
use diesel_async::RunQueryDsl;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use store::{Conn, PooledConn, Value};
use target::{Bind, Columns, Field, Row, Sql, Target};
use testkit::Database;
use time::OffsetDateTime;
use time::macros::datetime;
use types::ActionId;

/// Is the moment that all tests happen at.
pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-21 20:15 UTC);

/// Is an agent.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) queueloc: String,
    pub(crate) mode: String,
    pub(crate) version: String,
    pub(crate) pid: i64,
    pub(crate) status: String,
    pub(crate) environment: Json,
    pub(crate) tags: Json,
    pub(crate) loader_name: Option<String>,
    pub(crate) started: OffsetDateTime,
    pub(crate) destroyed: Option<OffsetDateTime>,
    pub(crate) last_seen: OffsetDateTime,
    /// Of each action, the *found* of its operations.
    pub(crate) found: Vec<(i64, Vec<bool>)>,
}

impl Row for Machine {
    fn field(&self, column: &str) -> Field<'_> {
        match column {
            "id" => Field::Int(self.id),
            "name" => Field::Text(&self.name),
            "queueloc" => Field::Text(&self.queueloc),
            "mode" => Field::Text(&self.mode),
            "version" => Field::Text(&self.version),
            "pid" => Field::Int(self.pid),
            "status" => Field::Text(&self.status),
            "environment" => Field::Json(&self.environment),
            "tags" => Field::Json(&self.tags),
            "loadername" => self.loader_name.as_deref().map_or(Field::Null, Field::Text),
            "starttime" => Field::Time(self.started),
            "destructiontime" => self.destroyed.map_or(Field::Null, Field::Time),
            "heartbeattime" | "refreshtime" => Field::Time(self.last_seen),
            _ => Field::Null,
        }
    }

    fn found(&self, action: ActionId, found: bool) -> bool {
        self.found.iter().any(|(id, flags)| *id == action.0 && flags.contains(&found))
    }
}

const TABLES: [&str; 2] = [
    "create table agent (id bigint primary key, uid uuid, name text not null, queueloc text not null, transport text, \
     mode text not null, version text not null, pid bigint not null, status text not null, environment jsonb not null, \
     tags jsonb not null, loader_name text, started timestamptz not null, destroyed timestamptz, \
     last_seen timestamptz not null, refreshed timestamptz not null)",
    "create table command (id bigint generated always as identity, agent_id bigint not null, action_id bigint not null, \
     found boolean[] not null default '{}')",
];

const AGENTS: &str = "insert into agent (id, name, queueloc, mode, version, pid, status, environment, tags, loader_name, \
    started, destroyed, last_seen, refreshed) \
    select id, name, queueloc, mode, version, pid, status, environment, coalesce(tags, 'null'), loader_name, started, destroyed, last_seen, last_seen \
    from jsonb_to_recordset($1) as a (id bigint, name text, queueloc text, mode text, version text, pid bigint, status text, \
    environment jsonb, tags jsonb, loader_name text, started timestamptz, destroyed timestamptz, last_seen timestamptz)";

const COMMANDS: &str = "insert into command (agent_id, action_id, found) \
    select agent_id, action_id, array(select jsonb_array_elements_text(found)::boolean) \
    from jsonb_to_recordset($1) as c (agent_id bigint, action_id bigint, found jsonb)";

/// Is a database with agents in it.
pub(crate) struct Fleet {
    _database: Database,
    conn: PooledConn,
}

impl Fleet {
    /// Makes the tables and puts the agents in.
    pub(crate) async fn of(machines: &[Machine]) -> Self {
        let database = Database::new("target", Vec::new()).await;
        let mut conn = database.store().get().await.unwrap();
        for table in TABLES {
            store::sql(table).execute(&mut conn).await.unwrap();
        }
        let agents: Vec<Json> = machines.iter().map(document).collect();
        put(&mut conn, AGENTS, Json::Array(agents)).await;
        let commands = machines.iter().flat_map(|machine| {
            machine.found.iter().map(
                |(action, found)| json!({"agent_id": machine.id, "action_id": action, "found": found}),
            )
        });
        put(&mut conn, COMMANDS, commands.collect()).await;
        Self { _database: database, conn }
    }

    /// Runs a statement.
    pub(crate) async fn run(&mut self, statement: &str) {
        store::sql(statement).execute(&mut self.conn).await.unwrap();
    }

    /// Asks the database for the answer of each agent.
    pub(crate) async fn answers(
        &mut self,
        target: &Target,
    ) -> diesel::QueryResult<BTreeMap<i64, Option<bool>>> {
        self.ask(target.to_sql_at(&Columns::agents(), 1, NOW)).await
    }

    /// Asks the database for the answer of each agent to SQL made of a target.
    pub(crate) async fn ask(
        &mut self,
        sql: Sql,
    ) -> diesel::QueryResult<BTreeMap<i64, Option<bool>>> {
        let text = format!("select agent.id, {} as truth from agent", sql.text);
        let binds = sql.binds.into_iter().map(value).collect();
        let answers: Vec<Answer> = store::bind(text, binds).get_results(&mut self.conn).await?;
        Ok(answers.into_iter().map(|answer| (answer.id, answer.truth)).collect())
    }
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Nullable<Bool>)]
    truth: Option<bool>,
}

async fn put(conn: &mut Conn, statement: &str, rows: Json) {
    store::bind(statement, vec![Value::Json(rows)]).execute(conn).await.unwrap();
}

fn document(machine: &Machine) -> Json {
    let time =
        |at: OffsetDateTime| at.format(&time::format_description::well_known::Rfc3339).unwrap();
    json!({
        "id": machine.id,
        "name": machine.name,
        "queueloc": machine.queueloc,
        "mode": machine.mode,
        "version": machine.version,
        "pid": machine.pid,
        "status": machine.status,
        "environment": machine.environment,
        "tags": machine.tags,
        "loader_name": machine.loader_name,
        "started": time(machine.started),
        "destroyed": machine.destroyed.map(time),
        "last_seen": time(machine.last_seen),
    })
}

fn value(bind: Bind) -> Value {
    match bind {
        Bind::Text(text) => Value::Text(text),
        Bind::Int(number) => Value::Int(number),
        Bind::Float(number) => Value::Float(number),
        Bind::Bool(truth) => Value::Bool(truth),
        Bind::Time(at) => Value::Time(at),
    }
}
