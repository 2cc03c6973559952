//! Commands as they are shown.

use diesel::sql_types::{Array, BigInt, Json, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use serde_json::Value as JsonValue;
use store::{Conn, Value};
use time::OffsetDateTime;

const COLUMNS: &str = "id, action_id, agent_id, status, results, started, finished";

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
    #[diesel(sql_type = Nullable<Json>)]
    pub(crate) results: Option<JsonValue>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) started: OffsetDateTime,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) finished: Option<OffsetDateTime>,
}

/// Finds the commands with these numbers, in no order; those that do not exist are left out.
pub(crate) async fn commands_find(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<CommandRow>> {
    store::sql(format!("select {COLUMNS} from command where id = any($1)"))
        .bind::<Array<BigInt>, _>(ids)
        .get_results(conn)
        .await
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
        let rows = if let Some(status) = self.status {
            binds.push(Value::Text(status.into()));
            "action_id = $1 and status = $4 and id > $2 order by id"
        } else {
            // a range of one keeps the action in the order, and so the planner from walking through others by id
            "(action_id, id) > ($1, $2) and action_id <= $1 order by action_id, id"
        };
        let text = format!("select {COLUMNS} from command where {rows} limit $3");
        (text, binds)
    }
}

/// Finds a page of an action's commands, by number.
pub(crate) async fn commands_page(
    conn: &mut Conn,
    page: CommandPage<'_>,
) -> QueryResult<Vec<CommandRow>> {
    let (text, binds) = page.write();
    store::bind(text, binds).get_results(conn).await
}
