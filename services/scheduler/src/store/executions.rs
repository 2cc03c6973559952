//! The tables `execution` and `execution_step`.
//!
//! Long because all statements over the two tables, which change together, stand together.

use crate::domain::execution::{Execution, ExecutionState, StepRun};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Jsonb, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension, QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Write;
use store::Conn;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const COLUMNS: &str = "id, playbook_id, name, description, digest, state, variables, runs, exception, handled, reason, \
     parent_step, depth, root, started, ended, started_by";
const OPEN: &str = "state in ('delayed', 'ready', 'calling', 'waiting', 'branching')";

/// Is one run of a playbook, without its steps.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct ExecutionRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub(crate) id: Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) playbook_id: String,
    #[diesel(sql_type = Text)]
    pub(crate) name: String,
    #[diesel(sql_type = Text)]
    pub(crate) description: String,
    #[diesel(sql_type = Binary)]
    pub(crate) digest: Vec<u8>,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Jsonb)]
    pub(crate) variables: Value,
    #[diesel(sql_type = Jsonb)]
    pub(crate) runs: Value,
    #[diesel(sql_type = Bool)]
    pub(crate) exception: bool,
    #[diesel(sql_type = Bool)]
    pub(crate) handled: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) reason: Option<String>,
    #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
    pub(crate) parent_step: Option<Uuid>,
    #[diesel(sql_type = Integer)]
    pub(crate) depth: i32,
    /// The execution that began it, by whatever playbooks are between; nothing for one that was begun by a caller.
    #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
    pub(crate) root: Option<Uuid>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) started: OffsetDateTime,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) ended: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) started_by: Option<i64>,
}

/// Reads what this service wrote as JSON.
fn written<T: DeserializeOwned>(value: Value) -> QueryResult<T> {
    serde_json::from_value(value)
        .map_err(|error| diesel::result::Error::DeserializationError(error.into()))
}

fn writable(value: impl serde::Serialize) -> QueryResult<Value> {
    serde_json::to_value(value)
        .map_err(|error| diesel::result::Error::SerializationError(error.into()))
}

impl ExecutionRow {
    /// Gives it as the rules know it, with those of its steps that are not over.
    pub(crate) fn with(&self, steps: Vec<StepRun>) -> QueryResult<Execution> {
        Ok(Execution {
            id: self.id,
            state: written(json!(self.state))?,
            variables: written(self.variables.clone())?,
            runs: written(self.runs.clone())?,
            exception: self.exception,
            handled: self.handled,
            reason: self.reason.clone(),
            ended: self.ended,
            steps,
        })
    }
}

/// Inserts a new execution; one that another began is due to be looked at.
pub(crate) async fn execution_insert(conn: &mut Conn, row: &ExecutionRow) -> QueryResult<usize> {
    store::sql(
        "insert into execution (id, playbook_id, name, description, digest, state, variables, runs, parent_step, depth,
             told, started, started_by, root, look)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9 is null, $11, $12, $13,
             case when $9 is not null then $11 end)",
    )
    .bind::<diesel::sql_types::Uuid, _>(row.id)
    .bind::<Text, _>(&row.playbook_id)
    .bind::<Text, _>(&row.name)
    .bind::<Text, _>(&row.description)
    .bind::<Binary, _>(&row.digest)
    .bind::<Text, _>(&row.state)
    .bind::<Jsonb, _>(&row.variables)
    .bind::<Jsonb, _>(&row.runs)
    .bind::<Nullable<diesel::sql_types::Uuid>, _>(row.parent_step)
    .bind::<Integer, _>(row.depth)
    .bind::<Timestamptz, _>(row.started)
    .bind::<Nullable<BigInt>, _>(row.started_by)
    .bind::<Nullable<diesel::sql_types::Uuid>, _>(row.root)
    .execute(conn)
    .await
}

/// Counts the executions that one led to, up to `most`.
pub(crate) async fn executions_under(conn: &mut Conn, root: Uuid, most: i64) -> QueryResult<i64> {
    let row: CountRow = store::sql(
        "select 'begun' as name, count(*) as count from (select from execution where root = $1 limit $2) as begun",
    )
    .bind::<diesel::sql_types::Uuid, _>(root)
    .bind::<BigInt, _>(most)
    .get_result(conn)
    .await?;
    Ok(row.count)
}

/// Puts the next look at an execution off.
pub(crate) async fn execution_put_off(
    conn: &mut Conn,
    id: Uuid,
    until: OffsetDateTime,
) -> QueryResult<usize> {
    store::sql("update execution set look = $2 where id = $1 and look < $2")
        .bind::<diesel::sql_types::Uuid, _>(id)
        .bind::<Timestamptz, _>(until)
        .execute(conn)
        .await
}

/// Has executions looked at that another began, that nothing was begun of and that nobody is to look at; gives how
/// many.
pub(crate) async fn executions_find(conn: &mut Conn, now: OffsetDateTime) -> QueryResult<usize> {
    store::sql(
        "update execution set look = $1
         where state = 'running' and look is null and ended is null and parent_step is not null and runs = '{}'",
    )
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
}

/// Ends an execution as failed, with its steps, whatever its rows hold; of no more than one that is not over.
pub(crate) async fn execution_fail(
    conn: &mut Conn,
    id: Uuid,
    reason: &str,
    now: OffsetDateTime,
) -> QueryResult<usize> {
    store::sql(format!(
        "with step as (
             update execution_step set state = 'cancelled', ended = $3, lease = null where execution_id = $1 and {OPEN}
         )
         update execution set state = 'failed', reason = coalesce(reason, $2), ended = $3, look = null
         where id = $1 and state in ('running', 'waiting')"
    ))
    .bind::<diesel::sql_types::Uuid, _>(id)
    .bind::<Text, _>(reason)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
}

/// Notes the action of a run of a step that is not over; tells whether there is such a run.
pub(crate) async fn step_link(
    conn: &mut Conn,
    (execution, step): (Uuid, Uuid),
    action: i64,
) -> QueryResult<bool> {
    let linked = store::sql(format!(
        "update execution_step set action_id = $3 where id = $2 and execution_id = $1 and {OPEN}"
    ))
    .bind::<diesel::sql_types::Uuid, _>(execution)
    .bind::<diesel::sql_types::Uuid, _>(step)
    .bind::<BigInt, _>(action)
    .execute(conn)
    .await?;
    Ok(linked > 0)
}

/// Locks one execution.
pub(crate) async fn execution_lock(conn: &mut Conn, id: Uuid) -> QueryResult<Option<ExecutionRow>> {
    store::sql(format!("select {COLUMNS} from execution where id = $1 for update"))
        .bind::<diesel::sql_types::Uuid, _>(id)
        .get_result(conn)
        .await
        .optional()
}

/// Locks the execution that a run of a playbook-action began.
pub(crate) async fn execution_lock_child(
    conn: &mut Conn,
    step: Uuid,
) -> QueryResult<Option<ExecutionRow>> {
    store::sql(format!("select {COLUMNS} from execution where parent_step = $1 for update"))
        .bind::<diesel::sql_types::Uuid, _>(step)
        .get_result(conn)
        .await
        .optional()
}

/// Locks the execution that is to be looked at for the longest time and that nobody else holds.
pub(crate) async fn execution_claim(
    conn: &mut Conn,
    now: OffsetDateTime,
) -> QueryResult<Option<ExecutionRow>> {
    store::sql(format!(
        "select {COLUMNS} from execution where look is not null and look <= $1 order by look limit 1
         for update skip locked"
    ))
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()
}

/// Gives one execution.
pub(crate) async fn execution_get(conn: &mut Conn, id: Uuid) -> QueryResult<Option<ExecutionRow>> {
    store::sql(format!("select {COLUMNS} from execution where id = $1"))
        .bind::<diesel::sql_types::Uuid, _>(id)
        .get_result(conn)
        .await
        .optional()
}

/// Lists executions, newest first, before `before`; of one playbook or state when they are named.
pub(crate) async fn executions_list(
    conn: &mut Conn,
    playbook: Option<&str>,
    state: Option<&str>,
    before: Uuid,
    limit: i64,
) -> QueryResult<Vec<ExecutionRow>> {
    let mut values = vec![store::Value::Uuid(before), store::Value::Int(limit)];
    let mut conditions = String::new();
    for (column, value) in [("playbook_id", playbook), ("state", state)] {
        let Some(value) = value else { continue };
        if value.contains('\0') {
            return Ok(vec![]);
        }
        values.push(store::Value::Text(value.to_owned()));
        let _ = write!(conditions, " and {column} = ${}", values.len());
    }
    let text = format!(
        "select {COLUMNS} from execution where id < $1{conditions} order by id desc limit $2"
    );
    store::bind(text, values).load(conn).await
}

/// Writes where an execution is now.
pub(crate) async fn execution_save(
    conn: &mut Conn,
    execution: &Execution,
    look: Option<OffsetDateTime>,
) -> QueryResult<usize> {
    store::sql(
        "update execution set state = $2, variables = $3, runs = $4, exception = $5, handled = $6, reason = $7, ended = $8,
             look = $9
         where id = $1",
    )
    .bind::<diesel::sql_types::Uuid, _>(execution.id)
    .bind::<Text, _>(execution.state.name())
    .bind::<Jsonb, _>(writable(&execution.variables)?)
    .bind::<Jsonb, _>(writable(&execution.runs)?)
    .bind::<Bool, _>(execution.exception)
    .bind::<Bool, _>(execution.handled)
    .bind::<Nullable<Text>, _>(&execution.reason)
    .bind::<Nullable<Timestamptz>, _>(execution.ended)
    .bind::<Nullable<Timestamptz>, _>(look)
    .execute(conn)
    .await
}

#[derive(QueryableByName)]
struct StepRow {
    #[diesel(sql_type = Jsonb)]
    step: Value,
}

fn steps(rows: Vec<StepRow>) -> QueryResult<Vec<StepRun>> {
    rows.into_iter().map(|row| written(row.step)).collect()
}

/// Gives the runs of an execution's steps that are not over.
pub(crate) async fn steps_open(conn: &mut Conn, execution: Uuid) -> QueryResult<Vec<StepRun>> {
    let rows = store::sql(format!(
        "select to_jsonb(execution_step) as step from execution_step where execution_id = $1 and {OPEN} order by id"
    ))
    .bind::<diesel::sql_types::Uuid, _>(execution)
    .get_results(conn)
    .await?;
    steps(rows)
}

/// Says how much of the runs of steps is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// How many of each execution.
    pub(crate) runs: i64,
    /// Results that take more bytes than this in their table are left out.
    pub(crate) results: i32,
}

/// A run of a step as it is shown: without its document, and without results that are too large.
const SHOWN: &str = "id, execution_id, step_id, run, parent, kind, name, state, due, deadline, lease, missed, position, variables, \
     case when pg_column_size(results) > $3 then '{}' else results end as results, detail, action_id, \
     null::text as document, started, ended";

/// Gives the first runs of the steps of each execution, oldest first.
pub(crate) async fn steps_of(
    conn: &mut Conn,
    executions: &[Uuid],
    extent: Extent,
) -> QueryResult<Vec<StepRun>> {
    let text = format!(
        "select to_jsonb(shown) as step from unnest($1) as wanted (id) cross join lateral (
             select {SHOWN} from execution_step where execution_id = wanted.id order by id limit $2
         ) as shown order by shown.id"
    );
    steps_shown(conn, text, executions, extent).await
}

/// Gives the last run of each step of each execution, oldest first.
pub(crate) async fn steps_last(
    conn: &mut Conn,
    executions: &[Uuid],
    extent: Extent,
) -> QueryResult<Vec<StepRun>> {
    let text = format!(
        "select to_jsonb(shown) as step from unnest($1) as wanted (id) cross join lateral (
             select distinct on (step_id) {SHOWN} from execution_step where execution_id = wanted.id
             order by step_id desc, run desc limit $2
         ) as shown order by shown.id"
    );
    steps_shown(conn, text, executions, extent).await
}

async fn steps_shown(
    conn: &mut Conn,
    text: String,
    executions: &[Uuid],
    extent: Extent,
) -> QueryResult<Vec<StepRun>> {
    let rows = store::sql(text)
        .bind::<Array<diesel::sql_types::Uuid>, _>(executions)
        .bind::<BigInt, _>(extent.runs)
        .bind::<Integer, _>(extent.results)
        .get_results(conn)
        .await?;
    steps(rows)
}

/// Writes runs of steps, new ones and changed ones.
pub(crate) async fn steps_save(conn: &mut Conn, steps: &[&StepRun]) -> QueryResult<usize> {
    if steps.is_empty() {
        return Ok(0);
    }
    store::sql(
        "insert into execution_step select * from jsonb_populate_recordset(null::execution_step, $1)
         on conflict (id) do update set state = excluded.state, due = excluded.due, deadline = excluded.deadline,
             lease = excluded.lease, missed = excluded.missed, position = excluded.position, variables = excluded.variables,
             results = excluded.results, detail = excluded.detail, action_id = excluded.action_id,
             document = excluded.document, ended = excluded.ended",
    )
    .bind::<Jsonb, _>(writable(steps)?)
    .execute(conn)
    .await
}

/// Says that a process still does these commands.
pub(crate) async fn steps_renew(
    conn: &mut Conn,
    steps: &[Uuid],
    until: OffsetDateTime,
) -> QueryResult<usize> {
    let text = "update execution_step set lease = $2, due = null, missed = null
         where id = any($1) and state = 'calling'";
    store::sql(text)
        .bind::<Array<diesel::sql_types::Uuid>, _>(steps)
        .bind::<Timestamptz, _>(until)
        .execute(conn)
        .await
}

/// Is something that a run of a step waited for and that is over.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct EndedRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub(crate) step: Uuid,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub(crate) execution_id: Uuid,
    /// The execution that it began.
    #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
    pub(crate) child: Option<Uuid>,
    /// The action that it had run.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) action_id: Option<i64>,
}

/// Finds runs of steps whose execution, or whose action, is over and that were not told.
pub(crate) async fn steps_ended(conn: &mut Conn) -> QueryResult<Vec<EndedRow>> {
    store::sql(
        "(select step.id as step, step.execution_id, child.id as child, null::bigint as action_id
             from execution child join execution_step step on step.id = child.parent_step
             where not child.told and child.ended is not null order by child.ended limit 100)
         union all
         (select step.id, step.execution_id, null, step.action_id
             from execution_step step join run on run.action_id = step.action_id
             where step.state = 'waiting' and step.action_id is not null
                 and run.status not in ('pending', 'inflight', 'paused') limit 100)",
    )
    .get_results(conn)
    .await
}

/// Notes that whoever began an execution knows of its end.
pub(crate) async fn execution_told(conn: &mut Conn, id: Uuid) -> QueryResult<usize> {
    store::sql("update execution set told = true where id = $1")
        .bind::<diesel::sql_types::Uuid, _>(id)
        .execute(conn)
        .await
}

/// Is a count of executions or of waiting steps.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct CountRow {
    #[diesel(sql_type = Text)]
    pub(crate) name: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) count: i64,
}

/// Counts the executions that are not over, by state, and the steps that wait, by kind.
pub(crate) async fn executions_count(conn: &mut Conn) -> QueryResult<Vec<CountRow>> {
    store::sql(
        "select 'execution.' || state as name, count(*) as count from execution where state in ('running', 'waiting')
             group by state
         union all
         select 'step.' || kind, count(*) from execution_step where state = 'waiting' group by kind",
    )
    .get_results(conn)
    .await
}

/// Names the agents on which an action found something, by number; at most `limit`.
pub(crate) async fn action_found(
    conn: &mut Conn,
    action: i64,
    limit: i64,
) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct NameRow {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let rows: Vec<NameRow> = store::sql(
        "select coalesce(agent.name, command.agent_id::text) as name
         from command left join agent on agent.id = command.agent_id
         where command.action_id = $1 and true = any(command.found) order by command.agent_id limit $2",
    )
    .bind::<BigInt, _>(action)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

/// Says until when a process that does a command is believed to live.
pub(crate) const LEASE: Duration = Duration::seconds(10);

/// Tells whether the word names a state.
pub(crate) fn is_state(word: &str) -> bool {
    serde_json::from_value::<ExecutionState>(json!(word)).is_ok()
}
