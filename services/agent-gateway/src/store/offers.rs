//! Handing tasks to RunbookSolutions agents: by the clock always, once under a lease, and given up in the end.

use super::unreadable;
use diesel::prelude::*;
use diesel::sql_types::{
    Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid,
};
use diesel_async::RunQueryDsl;
use std::collections::{BTreeSet, HashMap};
use store::Conn;
use time::OffsetDateTime;
use types::{ActionId, AgentId, CommandId, TaskId};
use uuid::Uuid;

use super::leases::{Lost, Terms, lost};

/// Tells what agents have to be given, in one go and without a lock: the tasks by the clock that they know, and whether
/// there is anything else for them.
pub(crate) const TASKS_LOOK: &str = "
    select asks.agent, (
        exists (
            select from task t left join mailbox m on m.command = t.mail
                left join action_document d on d.action = m.action
            where t.agent = asks.agent and t.state in ('waiting', 'offered')
                and (t.state = 'waiting' or (t.cron is null and t.leased_until <= $2 and t.attempts < $3))
                and (t.mail is null or d.expire_after > $2)
                and (select ap.told from agent_plugin ap where ap.agent = t.agent and ap.plugin = t.plugin)
        ) or exists (
            select from mailbox m join action_document d on d.action = m.action
            where m.agent = asks.agent and m.state = 'waiting' and d.expire_after > $2
        )
    ) as news, c.id, c.command, c.cron, c.arguments
    from unnest($1) as asks(agent) left join lateral (
        select t.id, t.plugin || '.' || t.command as command, t.cron, t.arguments
        from task t
        where t.agent = asks.agent and t.state in ('waiting', 'offered') and t.state = 'offered'
            and t.cron is not null
    ) c on true
    order by c.id";

/// Gives agents what waits for each, oldest first; what runs once is leased. An agent drops, without a word, what it is
/// told of before it has the plugin (specs/runbook/plugins-and-tasks.md §4): it must have been told of that before.
pub(crate) const TASKS_OFFER: &str = "
    with due as (
        select todo.id, todo.expire_after
        from unnest($1) as asks(agent) cross join lateral (
            select t.id, d.expire_after
            from task t left join mailbox m on m.command = t.mail left join action_document d on d.action = m.action
            where t.agent = asks.agent and t.state in ('waiting', 'offered')
                and (t.state = 'waiting' or (t.cron is null and t.leased_until <= $2 and t.attempts < $3))
                and (t.mail is null or d.expire_after > $2)
                and (select ap.told from agent_plugin ap where ap.agent = t.agent and ap.plugin = t.plugin)
            order by t.id limit $5 for update of t skip locked
        ) as todo
    )
    update task t set state = 'offered', attempts = t.attempts + 1, offered = coalesce(t.offered, $2),
        leased_until = case when t.cron is null then least($4, due.expire_after) end
    from due where t.id = due.id
    returning t.agent, t.id, t.plugin || '.' || t.command as command, t.cron, t.arguments";

/// Finds tasks that were handed out as often as may be, or long ago, and never answered.
pub(crate) const TASKS_SILENT: &str = "
    select t.id, t.mail from task t
    where t.state = 'offered' and t.cron is null and t.leased_until <= $1
        and (t.attempts >= $2 or t.leased_until <= $3)
    order by t.leased_until limit $4";

/// Is a task as its agent is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The id.
    pub id: TaskId,
    /// The command key.
    pub command: String,
    /// When it runs; none for once.
    pub cron: Option<String>,
    /// A JSON object as text.
    pub arguments: String,
}

/// Is what there is for an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// The tasks by the clock that it knows.
    pub known: Vec<Offer>,
    /// Whether there is anything else.
    pub news: bool,
}

#[derive(QueryableByName)]
struct LookRow {
    #[diesel(sql_type = BigInt)]
    agent: i64,
    #[diesel(sql_type = Bool)]
    news: bool,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    command: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    cron: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    arguments: Option<String>,
}

/// Gives what there is for each of these agents.
pub(crate) async fn tasks_look(
    conn: &mut Conn,
    agents: &[AgentId],
    terms: Terms,
) -> QueryResult<HashMap<AgentId, Look>> {
    // one that asks twice at a time is told the same both times
    let agents: BTreeSet<i64> = agents.iter().map(|agent| agent.0).collect();
    let rows: Vec<LookRow> = store::sql(TASKS_LOOK)
        .bind::<Array<BigInt>, _>(agents.into_iter().collect::<Vec<_>>())
        .bind::<Timestamptz, _>(terms.now)
        .bind::<Integer, _>(terms.attempts)
        .get_results(conn)
        .await?;
    let mut looks = HashMap::<AgentId, Look>::new();
    for row in rows {
        let look = looks.entry(AgentId(row.agent)).or_default();
        look.news = row.news;
        if let (Some(id), Some(command), Some(arguments)) = (row.id, row.command, row.arguments) {
            look.known.push(Offer { id: TaskId(id), command, cron: row.cron, arguments });
        }
    }
    Ok(looks)
}

#[derive(QueryableByName)]
struct OfferRow {
    #[diesel(sql_type = BigInt)]
    agent: i64,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    command: String,
    #[diesel(sql_type = Nullable<Text>)]
    cron: Option<String>,
    #[diesel(sql_type = Text)]
    arguments: String,
}

/// Hands out at most `limit` tasks to each of these agents, oldest first; each agent is named once.
pub(crate) async fn tasks_offer(
    conn: &mut Conn,
    agents: &[AgentId],
    terms: Terms,
    limit: i64,
) -> QueryResult<HashMap<AgentId, Vec<Offer>>> {
    let agents: Vec<i64> = agents.iter().map(|agent| agent.0).collect();
    let rows: Vec<OfferRow> = store::sql(TASKS_OFFER)
        .bind::<Array<BigInt>, _>(agents)
        .bind::<Timestamptz, _>(terms.now)
        .bind::<Integer, _>(terms.attempts)
        .bind::<Timestamptz, _>(terms.until)
        .bind::<BigInt, _>(limit)
        .get_results(conn)
        .await?;
    let mut offers = HashMap::<AgentId, Vec<Offer>>::new();
    for row in rows {
        let OfferRow { agent, id, command, cron, arguments } = row;
        let offer = Offer { id: TaskId(id), command, cron, arguments };
        offers.entry(AgentId(agent)).or_default().push(offer);
    }
    Ok(offers)
}

/// Takes at most `limit` commands of each of these agents out of the mailbox until the action ends: its tasks have
/// leases of their own. To be called in the transaction that makes the tasks; each agent is named once.
pub(crate) async fn mailbox_take(
    conn: &mut Conn,
    agents: &[AgentId],
    now: OffsetDateTime,
    limit: i64,
) -> QueryResult<Vec<Lost>> {
    let agents: Vec<i64> = agents.iter().map(|agent| agent.0).collect();
    let rows = store::sql(
        "with due as (
             select mail.command, mail.operations, mail.expire_after
             from unnest($1) as asks(agent) cross join lateral (
                 select m.command, d.operations, d.expire_after
                 from mailbox m join action_document d on d.action = m.action
                 where m.agent = asks.agent and m.state = 'waiting' and d.expire_after > $2
                 order by m.command limit $3 for update of m skip locked
             ) as mail
         )
         update mailbox m set state = 'leased', leased_until = due.expire_after, attempts = m.attempts + 1,
             delivered_at = coalesce(m.delivered_at, $2)
         from due where m.command = due.command
         returning m.command, m.action, m.agent, due.operations",
    )
    .bind::<Array<BigInt>, _>(agents)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?;
    let mut mail = lost(rows)?;
    mail.sort_by_key(|mail| mail.command);
    Ok(mail)
}

/// Withdraws commands that cannot be done.
pub(crate) async fn mailbox_drop(conn: &mut Conn, commands: &[CommandId]) -> QueryResult<usize> {
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    store::sql("update mailbox set state = 'withdrawn' where command = any($1)")
        .bind::<Array<BigInt>, _>(commands)
        .execute(conn)
        .await
}

/// Is a task that was never answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Silent {
    /// The task.
    pub id: TaskId,
    /// The command it is part of.
    pub mail: Option<CommandId>,
}

#[derive(QueryableByName)]
struct SilentRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<BigInt>)]
    mail: Option<i64>,
}

/// Gives at most `limit` tasks that were never answered; a task that may be handed out again is one once its lease ran
/// out before `long_ago`: its agent is not there.
pub(crate) async fn tasks_silent(
    conn: &mut Conn,
    terms: Terms,
    long_ago: OffsetDateTime,
    limit: i64,
) -> QueryResult<Vec<Silent>> {
    let rows: Vec<SilentRow> = store::sql(TASKS_SILENT)
        .bind::<Timestamptz, _>(terms.now)
        .bind::<Integer, _>(terms.attempts)
        .bind::<Timestamptz, _>(long_ago)
        .bind::<BigInt, _>(limit)
        .get_results(conn)
        .await?;
    let silent =
        rows.into_iter().map(|row| Silent { id: TaskId(row.id), mail: row.mail.map(CommandId) });
    Ok(silent.collect())
}

/// Marks those of these tasks as overdue that are still offered and whose lease is over.
pub(crate) async fn tasks_end(
    conn: &mut Conn,
    tasks: &[TaskId],
    now: OffsetDateTime,
) -> QueryResult<usize> {
    let tasks: Vec<Uuid> = tasks.iter().map(|task| task.0).collect();
    store::sql(
        "update task t set state = 'overdue', ended = $2
         from (
             select id from task where id = any($1) and state = 'offered' and leased_until <= $2
             order by id for update
         ) as silent
         where t.id = silent.id",
    )
    .bind::<Array<SqlUuid>, _>(tasks)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
}

/// Is a command whose tasks are being looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TaskMail {
    /// The command.
    pub command: CommandId,
    /// Its action.
    pub action: ActionId,
    /// Its agent.
    pub agent: AgentId,
    /// How many operations the action has.
    pub operations: usize,
    /// Whether it was answered already.
    pub returned: bool,
    /// Whether it is still open.
    pub open: bool,
}

#[derive(QueryableByName)]
struct TaskMailRow {
    #[diesel(sql_type = BigInt)]
    command: i64,
    #[diesel(sql_type = BigInt)]
    action: i64,
    #[diesel(sql_type = BigInt)]
    agent: i64,
    #[diesel(sql_type = Integer)]
    operations: i32,
    #[diesel(sql_type = Text)]
    state: String,
}

/// Locks commands until the transaction ends; always before their tasks.
pub(crate) async fn mailbox_hold(
    conn: &mut Conn,
    commands: &[CommandId],
) -> QueryResult<Vec<TaskMail>> {
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    let rows: Vec<TaskMailRow> = store::sql(
        "select m.command, m.action, m.agent, d.operations, m.state
         from mailbox m join action_document d on d.action = m.action
         where m.command = any($1) order by m.command for update of m",
    )
    .bind::<Array<BigInt>, _>(commands)
    .get_results(conn)
    .await?;
    let mail = rows.into_iter().map(|row| {
        Ok(TaskMail {
            command: CommandId(row.command),
            action: ActionId(row.action),
            agent: AgentId(row.agent),
            operations: row.operations.try_into().map_err(unreadable)?,
            returned: row.state == "returned",
            open: matches!(row.state.as_str(), "waiting" | "leased"),
        })
    });
    mail.collect()
}

/// Gives those of these commands that have overdue tasks.
pub(crate) async fn tasks_overdue(
    conn: &mut Conn,
    commands: &[CommandId],
) -> QueryResult<BTreeSet<CommandId>> {
    #[derive(QueryableByName)]
    struct Overdue {
        #[diesel(sql_type = BigInt)]
        mail: i64,
    }
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    let rows: Vec<Overdue> =
        store::sql("select distinct mail from task where mail = any($1) and state = 'overdue'")
            .bind::<Array<BigInt>, _>(commands)
            .get_results(conn)
            .await?;
    Ok(rows.into_iter().map(|row| CommandId(row.mail)).collect())
}
