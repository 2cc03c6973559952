//! Runs targets over the copy: one row per queue location, only agents that are online or idle
//! (specs/mig/data-model.md §4.1, §4.4).

use crate::AgentRow;
use diesel::sql_types::{Array, BigInt, Text};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::{Conn, Value};
use target::{Columns, Target, TargetError};
use time::OffsetDateTime;

/// Is a target as a `where` clause over the table `agent`, with the values it binds.
#[derive(Debug, Clone)]
pub struct Aim {
    /// The clause; its first placeholder is `$1`.
    pub clause: String,
    /// What the placeholders stand for, in order.
    pub binds: Vec<Value>,
}

impl Aim {
    /// Gives the placeholder for one more value and binds it.
    pub fn bind(&mut self, value: Value) -> String {
        self.binds.push(value);
        format!("${}", self.binds.len())
    }

    /// Gives the rows that the target reaches, as a sub-select with the columns `columns` of `agent`.
    pub fn reached(&self, columns: &str) -> String {
        format!(
            "select distinct on (agent.queueloc) {columns} from agent
             where agent.status in ('online', 'idle') and ({clause})
             order by agent.queueloc, agent.last_seen desc, agent.id desc",
            clause = self.clause
        )
    }

    /// Gives the numbers of the rows that the target reaches, by queue location. Where a page is wanted, reading ends
    /// with it; [`Aim::reached`] sorts all first.
    pub fn reached_in_order(&self) -> String {
        format!(
            "select (array_agg(agent.id order by agent.last_seen desc, agent.id desc))[1] as id from agent
             where agent.status in ('online', 'idle') and ({clause})
             group by agent.queueloc order by agent.queueloc",
            clause = self.clause
        )
    }
}

/// Reads a target over agents: its form, its columns and its types hold.
pub fn parse_target(text: &str) -> Result<Target, TargetError> {
    let target = target::parse(text)?;
    target.check(&Columns::agents())?;
    Ok(target)
}

/// Turns a target into SQL whose values are all bound; its `NOW()` is `now`.
pub fn aim(target: &Target, now: OffsetDateTime) -> Aim {
    let sql = target.to_sql_at(&Columns::agents(), 1, now);
    Aim { clause: sql.text, binds: sql.binds.into_iter().map(store_value).collect() }
}

fn store_value(bind: target::Bind) -> Value {
    match bind {
        target::Bind::Text(text) => Value::Text(text),
        target::Bind::Int(number) => Value::Int(number),
        target::Bind::Float(number) => Value::Float(number),
        target::Bind::Bool(truth) => Value::Bool(truth),
        target::Bind::Time(at) => Value::Time(at),
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Counts the agents that a target reaches now.
pub async fn count(conn: &mut Conn, target: &Target, now: OffsetDateTime) -> QueryResult<i64> {
    let aim = aim(target, now);
    let text = format!("select count(*) as count from ({}) as reached", aim.reached("agent.id"));
    let found: Count = store::bind(text, aim.binds).get_result(conn).await?;
    Ok(found.count)
}

/// Gives the first `limit` agents by name that a target reaches now.
pub async fn sample(
    conn: &mut Conn,
    target: &Target,
    now: OffsetDateTime,
    limit: i64,
) -> QueryResult<Vec<AgentRow>> {
    let mut aim = aim(target, now);
    let limit = aim.bind(Value::Int(limit));
    let text = format!(
        "select * from ({}) as reached order by name, id limit {limit}",
        aim.reached("agent.*")
    );
    store::bind(text, aim.binds).get_results(conn).await
}

/// Gives the agents with these numbers; those that do not exist are left out.
pub async fn find(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<AgentRow>> {
    store::sql("select * from agent where id = any($1)")
        .bind::<Array<BigInt>, _>(ids)
        .get_results(conn)
        .await
}

/// Gives those of `modules` that no agent has which is online or idle; one that lists no modules may have any.
pub async fn unknown_modules(conn: &mut Conn, modules: &[String]) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Unknown {
        #[diesel(sql_type = Text)]
        module: String,
    }
    let unknown: Vec<Unknown> = store::sql(
        "select module from unnest($1::text[]) as module
         where not exists (select from agent where status in ('online', 'idle')
             and (jsonb_typeof(environment->'modules') is distinct from 'array'
                 or jsonb_exists(environment->'modules', module)))",
    )
    .bind::<Array<Text>, _>(modules)
    .get_results(conn)
    .await?;
    Ok(unknown.into_iter().map(|row| row.module).collect())
}
