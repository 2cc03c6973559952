//! Finds commands by number and by action, with what is shown of them.

use diesel::sql_types::{BigInt, Json, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use serde_json::Value as JsonValue;
use store::{Conn, Value};
use time::OffsetDateTime;

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

/// Says which commands are wanted; what is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct CommandFilter {
    pub(crate) command: Option<i64>,
    pub(crate) action: Option<i64>,
    /// States, any of which will do.
    pub(crate) states: Option<Vec<String>>,
    /// Only ids above this one.
    pub(crate) above: Option<i64>,
}

/// Says in which order and how many.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// By id, as pages continue.
    ById,
    /// The newest first, after leaving out `offset`.
    Newest {
        /// How many to leave out.
        offset: i64,
    },
}

/// Finds at most `limit` commands.
pub(crate) async fn commands_find(
    conn: &mut Conn,
    filter: &CommandFilter,
    order: Order,
    limit: i64,
) -> QueryResult<Vec<CommandRow>> {
    let mut binds = Vec::new();
    let mut clauses = Vec::new();
    let mut want = |clause: &str, value: Value| {
        binds.push(value);
        clauses.push(clause.replace('#', &format!("${}", binds.len())));
    };
    let numbers =
        [("id = #", filter.command), ("action_id = #", filter.action), ("id > #", filter.above)];
    for (clause, number) in numbers {
        if let Some(number) = number {
            want(clause, Value::Int(number));
        }
    }
    if let Some(states) = &filter.states {
        want("status = any(#::text[])", Value::Texts(states.clone()));
    }
    let order = match order {
        Order::ById => "order by id".into(),
        Order::Newest { offset } => {
            binds.push(Value::Int(offset));
            format!("order by started desc, id desc offset ${}", binds.len())
        }
    };
    binds.push(Value::Int(limit));
    let clauses = if clauses.is_empty() { "true".into() } else { clauses.join(" and ") };
    let text = format!(
        "select id, action_id, agent_id, status, results, started, finished from command
         where {clauses} {order} limit ${}",
        binds.len()
    );
    store::bind(text, binds).get_results(conn).await
}
