//! What came back from tasks.

use super::unreadable;
use crate::domain::task::Outcome;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::api::task::TaskRunView;
use types::{AgentId, CommandId, TaskId};

/// How many bytes of results one answer shows at most, unless a single one is larger.
const PAGE_BYTES: i64 = 16 << 20;

/// Finds the task that an agent answers; gives the command that it is part of, too.
pub(crate) const TASK_FIND: &str = "select mail from task where id = $1 and agent = $2";

/// Locks the task that an agent answers.
pub(crate) const TASK_HOLD: &str = "
    select t.cron is null as once, greatest(t.attempts, 1) as attempts,
        (select count(*) from (select from task_run r where r.task = t.id limit 100) as few) as runs
    from task t where t.id = $1 for update of t";

#[derive(QueryableByName)]
struct Mail {
    #[diesel(sql_type = Nullable<BigInt>)]
    mail: Option<i64>,
}

/// Tells whether a task is the agent's, and which command it is part of.
pub(crate) async fn task_find(
    conn: &mut Conn,
    task: TaskId,
    agent: AgentId,
) -> QueryResult<Option<Option<CommandId>>> {
    let found: Option<Mail> = store::sql(TASK_FIND)
        .bind::<SqlUuid, _>(task.0)
        .bind::<BigInt, _>(agent.0)
        .get_result(conn)
        .await
        .optional()?;
    Ok(found.map(|row| row.mail.map(CommandId)))
}

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = Bool)]
    once: bool,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = BigInt)]
    runs: i64,
}

/// Locks a task until the transaction ends; tells whether another run of it is expected: one that runs once has no more
/// runs than it was handed out.
pub(crate) async fn task_hold(conn: &mut Conn, task: TaskId) -> QueryResult<bool> {
    let held: Held = store::sql(TASK_HOLD).bind::<SqlUuid, _>(task.0).get_result(conn).await?;
    Ok(!held.once || held.runs < held.attempts.into())
}

/// Stores a run and ends a task that runs once.
pub(crate) async fn run_insert(
    conn: &mut Conn,
    task: TaskId,
    outcome: &Outcome,
    now: OffsetDateTime,
) -> QueryResult<()> {
    store::sql("insert into task_run (task, at, data, bytes, cut) values ($1, $2, $3, $4, $5)")
        .bind::<SqlUuid, _>(task.0)
        .bind::<Timestamptz, _>(now)
        .bind::<Text, _>(outcome.data.to_string())
        .bind::<BigInt, _>(i64::try_from(outcome.bytes).unwrap_or(i64::MAX))
        .bind::<Bool, _>(outcome.cut)
        .execute(conn)
        .await?;
    store::sql(
        "update task set state = 'done', ended = $2
         where id = $1 and cron is null and state in ('waiting', 'offered', 'overdue')",
    )
    .bind::<SqlUuid, _>(task.0)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
    .map(drop)
}

/// Removes the oldest runs of a task beyond `most`, or beyond `bytes` together; the latest always stays.
pub(crate) async fn runs_trim(
    conn: &mut Conn,
    task: TaskId,
    most: i64,
    bytes: i64,
) -> QueryResult<usize> {
    store::sql(
        "delete from task_run r using (
             select number, row_number() over latest as place,
                 sum(case when cut then 0 else bytes end) over latest as bytes
             from task_run where task = $1
             window latest as (order by number desc)
         ) as old
         where r.number = old.number and old.place > 1 and (old.place > $2 or old.bytes > $3)",
    )
    .bind::<SqlUuid, _>(task.0)
    .bind::<BigInt, _>(most)
    .bind::<BigInt, _>(bytes)
    .execute(conn)
    .await
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Timestamptz)]
    at: OffsetDateTime,
    #[diesel(sql_type = Text)]
    data: String,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
    #[diesel(sql_type = Bool)]
    cut: bool,
}

/// Is a run with its place in the task's history.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Grows with time.
    pub number: i64,
    /// The run.
    pub view: TaskRunView,
}

fn runs(rows: Vec<Row>) -> QueryResult<Vec<Run>> {
    let runs = rows.into_iter().map(|row| {
        let data = serde_json::from_str(&row.data).map_err(unreadable)?;
        let view = TaskRunView { at: row.at, data, bytes: row.bytes, cut: row.cut };
        Ok(Run { number: row.number, view })
    });
    runs.collect()
}

/// Gives the latest runs of a task, oldest first, as many as one answer shows.
pub(crate) async fn runs_latest(
    conn: &mut Conn,
    task: TaskId,
    limit: i64,
) -> QueryResult<Vec<Run>> {
    let rows = store::sql(
        "select number, at, data, bytes, cut from (
             select *, row_number() over latest as place,
                 sum(octet_length(data)) over latest as together
             from (select * from task_run where task = $1 order by number desc limit $2) as few
             window latest as (order by number desc)
         ) as latest
         where place = 1 or together <= $3
         order by number",
    )
    .bind::<SqlUuid, _>(task.0)
    .bind::<BigInt, _>(limit)
    .bind::<BigInt, _>(PAGE_BYTES)
    .get_results(conn)
    .await?;
    runs(rows)
}

/// Gives the runs of a task behind `after`, oldest first, as many as one answer shows.
pub(crate) async fn runs_page(
    conn: &mut Conn,
    task: TaskId,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<Run>> {
    let rows = store::sql(
        "select number, at, data, bytes, cut from (
             select *, row_number() over oldest as place, sum(octet_length(data)) over oldest as together
             from (
                 select * from task_run where task = $1 and number > $2 order by number limit $3
             ) as few
             window oldest as (order by number)
         ) as oldest
         where place = 1 or together <= $4
         order by number",
    )
    .bind::<SqlUuid, _>(task.0)
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(limit)
    .bind::<BigInt, _>(PAGE_BYTES)
    .get_results(conn)
    .await?;
    runs(rows)
}

/// Tells whether a task has runs behind `after`.
pub(crate) async fn runs_behind(conn: &mut Conn, task: TaskId, after: i64) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct More {
        #[diesel(sql_type = Bool)]
        more: bool,
    }
    let query = "select exists (select from task_run where task = $1 and number > $2) as more";
    let found: More = store::sql(query)
        .bind::<SqlUuid, _>(task.0)
        .bind::<BigInt, _>(after)
        .get_result(conn)
        .await?;
    Ok(found.more)
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Integer)]
    operation: i32,
    #[diesel(sql_type = Nullable<Text>)]
    data: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    bytes: Option<i64>,
    #[diesel(sql_type = Nullable<Bool>)]
    cut: Option<bool>,
}

/// Gives what came back for each operation of a command, in their order; nothing for those that were not answered.
pub(crate) async fn answers_of(
    conn: &mut Conn,
    command: CommandId,
) -> QueryResult<Vec<Option<Outcome>>> {
    let rows: Vec<Answer> = store::sql(
        "select t.operation, r.data, r.bytes, r.cut
         from task t left join lateral (
             select * from task_run where task = t.id order by number desc limit 1
         ) r on true
         where t.mail = $1 order by t.operation",
    )
    .bind::<BigInt, _>(command.0)
    .get_results(conn)
    .await?;
    let mut answers = Vec::with_capacity(rows.len());
    for row in rows {
        if usize::try_from(row.operation).ok() != Some(answers.len()) {
            return Err(unreadable("task.operation"));
        }
        let (Some(data), Some(bytes), Some(cut)) = (row.data, row.bytes, row.cut) else {
            answers.push(None);
            continue;
        };
        let data = serde_json::from_str(&data).map_err(unreadable)?;
        answers.push(Some(Outcome { data, bytes: bytes.try_into().map_err(unreadable)?, cut }));
    }
    Ok(answers)
}
