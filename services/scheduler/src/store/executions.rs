//! The tables `execution` and `execution_step`.

use crate::domain::execution::{Execution, ExecutionState, StepRun};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Jsonb, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension, QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::Conn;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const COLUMNS: &str = "id, playbook_id, name, description, digest, state, variables, runs, exception, handled, reason, \
     parent_step, depth, started, ended, started_by";
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

/// Inserts a new execution.
pub(crate) async fn execution_insert(conn: &mut Conn, row: &ExecutionRow) -> QueryResult<usize> {
    store::sql(
        "insert into execution (id, playbook_id, name, description, digest, state, variables, runs, parent_step, depth,
             told, started, started_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9 is null, $11, $12)",
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
    .execute(conn)
    .await
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
    store::sql(format!(
        "select {COLUMNS} from execution where id < $1 and ($2 is null or playbook_id = $2) and ($3 is null or state = $3)
         order by id desc limit $4"
    ))
    .bind::<diesel::sql_types::Uuid, _>(before)
    .bind::<Nullable<Text>, _>(playbook)
    .bind::<Nullable<Text>, _>(state)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await
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

/// Gives the runs of the steps of executions, oldest first.
pub(crate) async fn steps_of(
    conn: &mut Conn,
    executions: &[Uuid],
    limit: i64,
) -> QueryResult<Vec<StepRun>> {
    let rows = store::sql(
        "select to_jsonb(execution_step) - 'document' || '{\"document\": null}' as step from execution_step
         where execution_id = any($1) order by id limit $2",
    )
    .bind::<Array<diesel::sql_types::Uuid>, _>(executions)
    .bind::<BigInt, _>(limit)
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
             lease = excluded.lease, position = excluded.position, variables = excluded.variables,
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
    store::sql("update execution_step set lease = $2 where id = any($1) and state = 'calling'")
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
pub(crate) const LEASE: Duration = Duration::seconds(15);

/// Tells whether the word names a state.
pub(crate) fn is_state(word: &str) -> bool {
    serde_json::from_value::<ExecutionState>(json!(word)).is_ok()
}
