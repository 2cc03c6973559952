//! Commands as they are shown.

use super::find::{every_state, union};
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use std::collections::HashMap;
use store::{Conn, Value};
use time::OffsetDateTime;
use uuid::Uuid;

/// Is a command; its results are the text that is kept, and are never taken apart.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct CommandRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) action_id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) agent_id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) results: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) started: OffsetDateTime,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) finished: Option<OffsetDateTime>,
}

/// Is how many bytes a row has as it is shown.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(crate) struct RowSize {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) size: i64,
}

/// Finds the commands with these numbers, in no order; those that do not exist are left out.
pub(crate) async fn commands_find(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<CommandRow>> {
    store::sql(
        "select id, action_id, agent_id, status, results::text as results, started, finished
         from command where id = any($1)",
    )
    .bind::<Array<BigInt>, _>(ids)
    .get_results(conn)
    .await
}

/// Gives the sizes of these commands as MIG's clients read them, with the document of their action.
pub(crate) async fn commands_sizes(conn: &mut Conn, ids: &[i64]) -> QueryResult<HashMap<i64, i64>> {
    sizes(
        conn,
        "select c.id, coalesce(c.results_size, octet_length(c.results::text), 0) + octet_length(a.document) as size
         from command c join action a on a.id = c.action_id where c.id = any($1)",
        ids,
    )
    .await
}

/// Gives the sizes of these actions as MIG's clients read them.
pub(crate) async fn actions_sizes(conn: &mut Conn, ids: &[i64]) -> QueryResult<HashMap<i64, i64>> {
    let text = "select id, octet_length(document)::bigint as size from action where id = any($1)";
    sizes(conn, text, ids).await
}

async fn sizes(conn: &mut Conn, text: &str, ids: &[i64]) -> QueryResult<HashMap<i64, i64>> {
    let rows: Vec<RowSize> =
        store::sql(text).bind::<Array<BigInt>, _>(ids).get_results(conn).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.size)).collect())
}

/// Says which page of an action's commands is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommandPage<'a> {
    pub(crate) action: i64,
    /// Only those in this state.
    pub(crate) status: Option<&'a str>,
    /// Only ids above this one.
    pub(crate) above: Option<i64>,
    pub(crate) limit: i64,
}

impl CommandPage<'_> {
    /// Writes the statement.
    pub(crate) fn write(&self) -> (String, Vec<Value>) {
        let above = Value::Int(self.above.unwrap_or_default());
        let mut binds = vec![Value::Int(self.action), above, Value::Int(self.limit)];
        let states = if let Some(status) = self.status {
            binds.push(Value::Text(status.into()));
            vec!["status = $4".to_owned()]
        } else {
            every_state().map(|state| format!("status = '{state}'")).collect()
        };
        let clauses = ["action_id = $1".to_owned(), "id > $2".to_owned()];
        let rows = "select id, coalesce(results_size, octet_length(results::text), 0) as size from command";
        let text = union(rows, &clauses, &states, "id", "$3");
        (text, binds)
    }
}

/// Finds a page of an action's commands, by number, with the sizes of their results.
pub(crate) async fn commands_page(
    conn: &mut Conn,
    page: CommandPage<'_>,
) -> QueryResult<Vec<RowSize>> {
    let (text, binds) = page.write();
    store::bind(text, binds).get_results(conn).await
}

/// Is what an agent is called.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Called {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = SqlUuid)]
    pub(crate) uid: Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) name: String,
}

/// Gives what these agents are called, by number; those that are gone are left out.
pub(crate) async fn agents_called(
    conn: &mut Conn,
    ids: &[i64],
) -> QueryResult<HashMap<i64, Called>> {
    let rows: Vec<Called> = store::sql("select id, uid, name from agent where id = any($1)")
        .bind::<Array<BigInt>, _>(ids)
        .get_results(conn)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}
