//! Tasks of RunbookSolutions agents: made, shown, taken back. How they are handed out is in [`super::offers`].

use super::unreadable;
use diesel::prelude::*;
use diesel::sql_types::{
    Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::RunQueryDsl;
use store::{Conn, Value};
use time::OffsetDateTime;
use types::api::task::{TaskState, TaskView};
use types::{AgentId, AgentUid, CommandId, InvestigatorId, PluginId, TaskId};
use uuid::Uuid;

const WHOLE: &str = "
    select t.id, a.id as agent_id, t.plugin || '.' || t.command as command, t.cron, t.arguments, t.state, t.attempts,
        t.created, case when t.state = 'offered' then t.leased_until end as due, t.ended, t.mail, t.offered,
        (select r.at from task_run r where r.task = t.id order by r.number desc limit 1) as last_run,
        a.reported is not null as reports
    from task t join agent a on a.number = t.agent";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    agent_id: Uuid,
    #[diesel(sql_type = Text)]
    command: String,
    #[diesel(sql_type = Nullable<Text>)]
    cron: Option<String>,
    #[diesel(sql_type = Text)]
    arguments: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    created: OffsetDateTime,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    due: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    ended: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<BigInt>)]
    mail: Option<i64>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    offered: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_run: Option<OffsetDateTime>,
    #[diesel(sql_type = Bool)]
    reports: bool,
}

/// Is a task, and whether its agent ever told of a result.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// The task; what is missing of it is not judged yet.
    pub view: TaskView,
    /// Whether the agent ever told of a result of any task.
    pub reports: bool,
}

impl TryFrom<Row> for Task {
    type Error = diesel::result::Error;

    fn try_from(row: Row) -> QueryResult<Self> {
        let view = TaskView {
            id: TaskId(row.id),
            agent_id: AgentUid(row.agent_id),
            command: row.command,
            cron: row.cron,
            arguments: serde_json::from_str(&row.arguments).map_err(unreadable)?,
            state: TaskState::parse(&row.state).ok_or_else(|| unreadable("task.state"))?,
            attempts: row.attempts,
            created: row.created,
            due: row.due,
            ended: row.ended,
            command_id: row.mail.map(CommandId),
            offered: row.offered,
            last_run: row.last_run,
            missing: None,
        };
        Ok(Self { view, reports: row.reports })
    }
}

/// Is a task to store; it waits.
#[derive(Debug, Clone)]
pub(crate) struct NewTaskRow {
    /// The id.
    pub id: TaskId,
    /// The agent.
    pub agent: AgentId,
    /// The plugin.
    pub plugin: PluginId,
    /// The command's name in it.
    pub command: String,
    /// When it runs; none for once.
    pub cron: Option<String>,
    /// A JSON object.
    pub arguments: String,
    /// Who made it; nobody when it stands in a signed action.
    pub created_by: Option<InvestigatorId>,
    /// The command of a signed action that it is part of, and which operation it is.
    pub mail: Option<(CommandId, i32)>,
}

/// Stores tasks.
pub(crate) async fn tasks_insert(
    conn: &mut Conn,
    new: &[NewTaskRow],
    now: OffsetDateTime,
) -> QueryResult<()> {
    fn each<T>(new: &[NewTaskRow], what: impl Fn(&NewTaskRow) -> T) -> Vec<T> {
        new.iter().map(what).collect()
    }
    store::sql(
        "insert into task (id, agent, plugin, command, cron, arguments, state, created, created_by, mail, operation)
         select new.id, new.agent, new.plugin, new.command, new.cron, new.arguments, 'waiting', $7, new.created_by,
             new.mail, new.operation
         from unnest($1, $2, $3, $4, $5, $6, $8, $9, $10)
             as new(id, agent, plugin, command, cron, arguments, created_by, mail, operation)",
    )
    .bind::<Array<SqlUuid>, _>(each(new, |new| new.id.0))
    .bind::<Array<BigInt>, _>(each(new, |new| new.agent.0))
    .bind::<Array<SqlUuid>, _>(each(new, |new| new.plugin.0))
    .bind::<Array<Text>, _>(each(new, |new| new.command.clone()))
    .bind::<Array<Nullable<Text>>, _>(each(new, |new| new.cron.clone()))
    .bind::<Array<Text>, _>(each(new, |new| new.arguments.clone()))
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Nullable<BigInt>>, _>(each(new, |new| new.created_by.map(|by| by.0)))
    .bind::<Array<Nullable<BigInt>>, _>(each(new, |new| new.mail.map(|(command, _)| command.0)))
    .bind::<Array<Nullable<Integer>>, _>(each(new, |new| new.mail.map(|(_, number)| number)))
    .execute(conn)
    .await
    .map(drop)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// Counts the tasks of an agent that are open, and the bytes of their arguments.
pub(crate) async fn tasks_open(conn: &mut Conn, agent: AgentId) -> QueryResult<(i64, i64)> {
    let counted: Count = store::sql(
        "select count(*) as count, coalesce(sum(octet_length(arguments)), 0)::bigint as bytes
         from task where agent = $1 and state in ('waiting', 'offered')",
    )
    .bind::<BigInt, _>(agent.0)
    .get_result(conn)
    .await?;
    Ok((counted.count, counted.bytes))
}

/// Gives one task.
pub(crate) async fn task_read(conn: &mut Conn, id: TaskId) -> QueryResult<Option<Task>> {
    let query = store::sql(format!("{WHOLE} where t.id = $1"));
    let row: Option<Row> = query.bind::<SqlUuid, _>(id.0).get_result(conn).await.optional()?;
    row.map(TryInto::try_into).transpose()
}

/// Gives the tasks behind `after`, oldest first; of one agent or of all, in one state or in any.
pub(crate) async fn tasks_page(
    conn: &mut Conn,
    (agent, state): (Option<AgentId>, Option<TaskState>),
    after: Uuid,
    limit: i64,
) -> QueryResult<Vec<Task>> {
    let mut values = vec![Value::Uuid(after), Value::Int(limit)];
    let mut of = String::new();
    if let Some(agent) = agent {
        values.push(Value::Int(agent.0));
        of = format!(" and t.agent = ${}", values.len());
    }
    if let Some(state) = state {
        // as a literal, so that it is seen to be in the index
        of = format!("{of} and t.state = '{}'", state.name());
    }
    let text = format!("{WHOLE} where t.id > $1{of} order by t.id limit $2");
    let rows: Vec<Row> = store::bind(text, values).get_results(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Takes a task back unless it is done; gives whether it is part of a signed action, in which case nothing is changed,
/// or nothing when there is no such task.
pub(crate) async fn task_withdraw(
    conn: &mut Conn,
    id: TaskId,
    now: OffsetDateTime,
) -> QueryResult<Option<bool>> {
    let query = "select mail from task where id = $1 for update";
    let found: Option<Mail> =
        store::sql(query).bind::<SqlUuid, _>(id.0).get_result(conn).await.optional()?;
    let Some(found) = found else { return Ok(None) };
    if found.mail.is_none() {
        store::sql(
            "update task set state = 'withdrawn', ended = $2
             where id = $1 and state in ('waiting', 'offered', 'overdue')",
        )
        .bind::<SqlUuid, _>(id.0)
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
    }
    Ok(Some(found.mail.is_some()))
}

#[derive(QueryableByName)]
struct Mail {
    #[diesel(sql_type = Nullable<BigInt>)]
    mail: Option<i64>,
}

/// Takes back what waits for an agent: all of it, or what needs plugins that it does not have any more.
pub(crate) async fn tasks_abandon(
    conn: &mut Conn,
    agent: AgentId,
    all: bool,
    now: OffsetDateTime,
) -> QueryResult<usize> {
    store::sql(
        "update task t set state = 'withdrawn', ended = $2
         where t.agent = $1 and t.state in ('waiting', 'offered')
             and ($3 or (
                 (t.cron is not null or t.state = 'waiting')
                 and not exists (select from agent_plugin ap where ap.agent = t.agent and ap.plugin = t.plugin)
             ))",
    )
    .bind::<BigInt, _>(agent.0)
    .bind::<Timestamptz, _>(now)
    .bind::<Bool, _>(all)
    .execute(conn)
    .await
}

/// Takes back the tasks of commands that were withdrawn.
pub(crate) async fn tasks_withdraw(
    conn: &mut Conn,
    commands: &[CommandId],
    now: OffsetDateTime,
) -> QueryResult<usize> {
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    store::sql(
        "update task set state = 'withdrawn', ended = $2
         where mail = any($1) and state in ('waiting', 'offered')",
    )
    .bind::<Array<BigInt>, _>(commands)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
}

/// Removes at most `limit` tasks of either kind that ended before `before`, with their runs. One of which an agent
/// still tells stays: it runs what it was told of until it is started anew, and a 404 is an error to it; so one by the
/// clock that it was told of stays longer, and counts from `long_ago`.
pub(crate) async fn tasks_purge(
    conn: &mut Conn,
    before: OffsetDateTime,
    long_ago: OffsetDateTime,
    limit: i64,
) -> QueryResult<usize> {
    store::sql(
        "with old as (
             (select id from task where ended < $1 and (cron is null or offered is null) and mail is null
                 and not exists (select from task_run r where r.task = task.id and r.at >= $1)
              limit $3)
             union all
             (select id from task where ended < $2 and cron is not null and offered is not null
                 and not exists (select from task_run r where r.task = task.id and r.at >= $2)
              limit $3)
         )
         delete from task t using old where t.id = old.id",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<Timestamptz, _>(long_ago)
    .bind::<BigInt, _>(limit)
    .execute(conn)
    .await
}
