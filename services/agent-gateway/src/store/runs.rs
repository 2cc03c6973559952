//! What came back from tasks.

use super::unreadable;
use crate::domain::exact;
use crate::domain::task::Outcome;
use diesel::prelude::*;
use diesel::sql_types::{
    Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::RunQueryDsl;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use store::Conn;
use time::OffsetDateTime;
use types::api::task::TaskRunView;
use types::{AgentId, CommandId, TaskId};
use uuid::Uuid;

/// How many bytes of results one answer shows at most, unless a single one is larger.
const PAGE_BYTES: i64 = 16 << 20;

/// Finds the tasks that agents answer, each its own; gives the commands that they are part of, too.
pub(crate) const TASKS_FIND: &str = "
    select t.id, t.agent, t.mail
    from unnest($1, $2) as asked(task, agent) join task t on t.id = asked.task and t.agent = asked.agent";

/// Locks the tasks that agents answer.
pub(crate) const TASKS_HOLD: &str = "
    select t.id, t.cron is null as once, greatest(t.attempts, 1) as attempts, t.cron is not null and t.ended is not null as echoes,
        case when t.cron is null then (select count(*) from (select from task_run r where r.task = t.id limit 100) as few) else 0
        end as runs
    from task t where t.id = any($1) order by t.id for update of t";

/// Removes the oldest runs of tasks beyond `$2`, or beyond `$3` bytes together; the latest always stays. Of what is
/// told of a task by the clock after it ended, only the latest does: the others would be kept as long as the task.
pub(crate) const RUNS_TRIM: &str = "
    delete from task_run where number = any(array(
        select old.number from task t cross join lateral (
            select r.number, row_number() over latest as place, sum(case when r.cut then 0 else r.bytes end) over latest as bytes,
                t.cron is not null and r.at > t.ended as echo
            from task_run r where r.task = t.id
            window latest as (order by r.number desc)
        ) as old
        where t.id = any($1) and old.place > 1 and (old.place > $2 or old.bytes > $3 or old.echo)
    ))";

/// Removes what was told of tasks by the clock after they ended, among the newest runs and but for the latest.
pub(crate) const RUNS_HUSH: &str = "
    delete from task_run where number = any(array(
        select old.number from task t cross join lateral (
            select r.number, r.at from task_run r where r.task = t.id order by r.number desc offset 1 limit 64
        ) as old
        where t.id = any($1) and t.cron is not null and old.at > t.ended
    ))";

#[derive(QueryableByName)]
struct FoundRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    agent: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    mail: Option<i64>,
}

/// Gives those of these tasks that are the agent's that names them, with the command that each is part of.
pub(crate) async fn tasks_find(
    conn: &mut Conn,
    asked: &BTreeSet<(TaskId, AgentId)>,
) -> QueryResult<BTreeMap<(TaskId, AgentId), Option<CommandId>>> {
    let tasks: Vec<Uuid> = asked.iter().map(|(task, _)| task.0).collect();
    let agents: Vec<i64> = asked.iter().map(|(_, agent)| agent.0).collect();
    let rows: Vec<FoundRow> = store::sql(TASKS_FIND)
        .bind::<Array<SqlUuid>, _>(tasks)
        .bind::<Array<BigInt>, _>(agents)
        .get_results(conn)
        .await?;
    let found = rows.into_iter();
    Ok(found.map(|row| ((TaskId(row.id), AgentId(row.agent)), row.mail.map(CommandId))).collect())
}

/// Is how many runs of a task there are, and may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    /// None for a task by the clock.
    most: Option<i64>,
    runs: i64,
    /// Whether it is a task by the clock that ended.
    pub echoes: bool,
}

impl Held {
    /// Takes another run if one is expected: a task that runs once has no more runs than it was handed out.
    pub(crate) fn take(&mut self) -> bool {
        let expected = self.most.is_none_or(|most| self.runs < most);
        self.runs += i64::from(expected);
        expected
    }
}

#[derive(QueryableByName)]
struct HeldRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Bool)]
    once: bool,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Bool)]
    echoes: bool,
    #[diesel(sql_type = BigInt)]
    runs: i64,
}

/// Locks tasks until the transaction ends.
pub(crate) async fn tasks_hold(
    conn: &mut Conn,
    tasks: &[TaskId],
) -> QueryResult<BTreeMap<TaskId, Held>> {
    let tasks: Vec<Uuid> = tasks.iter().map(|task| task.0).collect();
    let rows: Vec<HeldRow> =
        store::sql(TASKS_HOLD).bind::<Array<SqlUuid>, _>(tasks).get_results(conn).await?;
    let held = rows.into_iter().map(|row| {
        let most = row.once.then_some(row.attempts.into());
        (TaskId(row.id), Held { most, runs: row.runs, echoes: row.echoes })
    });
    Ok(held.collect())
}

/// Is a run to be stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRun<'a> {
    /// The task.
    pub task: TaskId,
    /// Names the request that told of it: what was stored and could not be answered is told again.
    pub told: Uuid,
    /// What came back.
    pub outcome: &'a Outcome,
}

/// Stores runs in their order, each once, and ends the tasks that run once.
pub(crate) async fn runs_insert(
    conn: &mut Conn,
    runs: &[NewRun<'_>],
    now: OffsetDateTime,
) -> QueryResult<()> {
    let tasks: Vec<Uuid> = runs.iter().map(|run| run.task.0).collect();
    let bytes = runs.iter().map(|run| i64::try_from(run.outcome.bytes).unwrap_or(i64::MAX));
    store::sql(
        "insert into task_run (task, at, data, bytes, cut, told)
         select new.task, $2, new.data, new.bytes, new.cut, new.told
         from unnest($1, $3, $4, $5, $6) with ordinality as new(task, data, bytes, cut, told, place) order by new.place
         on conflict (told) do nothing",
    )
    .bind::<Array<SqlUuid>, _>(&tasks)
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Text>, _>(
        runs.iter().map(|run| run.outcome.json()).collect::<Vec<_>>(),
    )
    .bind::<Array<BigInt>, _>(bytes.collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(runs.iter().map(|run| run.outcome.cut).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(runs.iter().map(|run| run.told).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    store::sql(
        "update task set state = 'done', ended = $2
         where id = any($1) and cron is null and state in ('waiting', 'offered', 'overdue')",
    )
    .bind::<Array<SqlUuid>, _>(tasks)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
    .map(drop)
}

/// Removes the oldest runs of each of these tasks beyond `most`, or beyond `bytes` together.
pub(crate) async fn runs_trim(
    conn: &mut Conn,
    tasks: &[TaskId],
    most: i64,
    bytes: i64,
) -> QueryResult<usize> {
    let tasks: Vec<Uuid> = tasks.iter().map(|task| task.0).collect();
    store::sql(RUNS_TRIM)
        .bind::<Array<SqlUuid>, _>(tasks)
        .bind::<BigInt, _>(most)
        .bind::<BigInt, _>(bytes)
        .execute(conn)
        .await
}

/// Removes what these tasks told after they ended, but for the latest.
pub(crate) async fn runs_hush(conn: &mut Conn, tasks: &[TaskId]) -> QueryResult<usize> {
    let tasks: Vec<Uuid> = tasks.iter().map(|task| task.0).collect();
    store::sql(RUNS_HUSH).bind::<Array<SqlUuid>, _>(tasks).execute(conn).await
}

/// Removes at most `limit` runs that were told before `before`, of tasks by the clock that ended between `since` and
/// then; the tasks themselves stay.
pub(crate) async fn runs_purge(
    conn: &mut Conn,
    since: OffsetDateTime,
    before: OffsetDateTime,
    limit: i64,
) -> QueryResult<usize> {
    store::sql(
        "delete from task_run r using (
             select r.number from task t join task_run r on r.task = t.id
             where t.ended >= $1 and t.ended < $2 and t.cron is not null and t.offered is not null and r.at < $2
             limit $3
         ) as old
         where r.number = old.number",
    )
    .bind::<Timestamptz, _>(since)
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(limit)
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
        let data = RawValue::from_string(row.data).map_err(unreadable)?;
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
    #[diesel(sql_type = BigInt)]
    mail: i64,
    #[diesel(sql_type = Integer)]
    operation: i32,
    #[diesel(sql_type = Nullable<Text>)]
    data: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    bytes: Option<i64>,
    #[diesel(sql_type = Nullable<Bool>)]
    cut: Option<bool>,
}

/// Gives for each of these commands what came back for each operation, in their order; nothing for those that were not
/// answered.
pub(crate) async fn answers_of(
    conn: &mut Conn,
    commands: &[CommandId],
) -> QueryResult<BTreeMap<CommandId, Vec<Option<Outcome>>>> {
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    let rows: Vec<Answer> = store::sql(
        "select t.mail, t.operation, r.data, r.bytes, r.cut
         from task t left join lateral (
             select * from task_run where task = t.id order by number desc limit 1
         ) r on true
         where t.mail = any($1) order by t.mail, t.operation",
    )
    .bind::<Array<BigInt>, _>(commands)
    .get_results(conn)
    .await?;
    let mut found = BTreeMap::<CommandId, Vec<Option<Outcome>>>::new();
    for row in rows {
        let answers = found.entry(CommandId(row.mail)).or_default();
        if usize::try_from(row.operation).ok() != Some(answers.len()) {
            return Err(unreadable("task.operation"));
        }
        let (Some(data), Some(bytes), Some(cut)) = (row.data, row.bytes, row.cut) else {
            answers.push(None);
            continue;
        };
        let bytes = bytes.try_into().map_err(unreadable)?;
        let data = serde_json::from_str(&exact::quote(&data)).map_err(unreadable)?;
        answers.push(Some(Outcome { data, exact: None, bytes, cut }));
    }
    Ok(found)
}
