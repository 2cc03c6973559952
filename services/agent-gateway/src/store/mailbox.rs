//! The mailbox: what waits for which agent, who has taken it, what came back.

use super::unreadable;
use crate::domain::receipt::{Asked, MailState};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use std::collections::BTreeMap;
use store::Conn;
use time::OffsetDateTime;
use types::api::work::WorkItem;
use types::{ActionId, AgentId, CommandId, RunId};
use uuid::Uuid;

/// Tells whether an agent has work; asked at each poll and before any lock is taken.
pub(crate) const MAILBOX_DUE: &str = "
    select exists (
        select from mailbox m join action_document d on d.action = m.action
        where m.agent = $1 and m.state in ('waiting', 'leased')
            and (m.state = 'waiting' or (m.leased_until <= $2 and m.attempts < $3))
            and d.expire_after > $2
    ) as due";

/// Leases an agent's work, oldest first.
pub(crate) const MAILBOX_LEASE: &str = "
    with due as (
        select m.command, d.document, d.expire_after
        from mailbox m join action_document d on d.action = m.action
        where m.agent = $1 and m.state in ('waiting', 'leased')
            and (m.state = 'waiting' or (m.leased_until <= $2 and m.attempts < $3))
            and d.expire_after > $2
        order by m.command limit $5 for update of m skip locked
    )
    update mailbox m set state = 'leased', leased_until = least($4, due.expire_after),
        attempts = m.attempts + 1, delivered_at = coalesce(m.delivered_at, $2)
    from due where m.command = due.command
    returning m.command, m.action, m.run, m.leased_until, m.attempts, due.document";

/// Tells which of many agents have work, or were revoked and wait in vain.
pub(crate) const MAILBOX_RING: &str = "
    select distinct m.agent as number
    from mailbox m join action_document d on d.action = m.action
    where m.agent = any($1) and m.state in ('waiting', 'leased')
        and (m.state = 'waiting' or (m.leased_until <= $2 and m.attempts < $3))
        and d.expire_after > $2
    union
    select number from agent where number = any($1) and revoked_at is not null";

/// Locks the runs that an agent answers.
pub(crate) const MAILBOX_FIND: &str = "
    select m.run, m.command, m.action, m.state, d.operations
    from mailbox m join action_document d on d.action = m.action
    where m.run = any($1) and m.agent = $2
    order by m.command for update of m";

/// Closes commands as answered.
pub(crate) const MAILBOX_CLOSE: &str = "
    update mailbox set state = 'returned', returned_at = $2 where command = any($1)";

/// Gives up leases that ran out too often, oldest first.
pub(crate) const MAILBOX_GIVE_UP: &str = "
    update mailbox m set state = 'withdrawn'
    from (
        select m.command, d.operations
        from mailbox m join action_document d on d.action = m.action
        where m.state = 'leased' and m.leased_until <= $1 and m.attempts >= $2 and d.expire_after > $1
        order by m.leased_until limit $3 for update of m skip locked
    ) as lost
    where m.command = lost.command
    returning m.command, m.action, m.agent, lost.operations";

/// Says how often a command is handed out, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// The time now.
    pub now: OffsetDateTime,
    /// When a lease taken now runs out, unless its action ends before.
    pub until: OffsetDateTime,
    /// How often at most.
    pub attempts: i32,
}

/// Is work that was leased.
#[derive(Debug, Clone)]
pub(crate) struct Leased {
    /// The command; the agent does not learn it.
    pub command: CommandId,
    /// How often it was handed out, this time included.
    pub attempts: i32,
    /// What the agent gets.
    pub item: WorkItem,
}

#[derive(QueryableByName)]
struct LeasedRow {
    #[diesel(sql_type = BigInt)]
    command: i64,
    #[diesel(sql_type = BigInt)]
    action: i64,
    #[diesel(sql_type = SqlUuid)]
    run: Uuid,
    #[diesel(sql_type = Timestamptz)]
    leased_until: OffsetDateTime,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Text)]
    document: String,
}

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    due: bool,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Stores an action's document once, however many commands it has.
pub(crate) async fn document_insert(
    conn: &mut Conn,
    action: ActionId,
    document: &str,
    operations: i32,
    expire_after: OffsetDateTime,
) -> QueryResult<()> {
    store::sql(
        "insert into action_document (action, document, operations, expire_after) values ($1, $2, $3, $4)
         on conflict (action) do nothing",
    )
    .bind::<BigInt, _>(action.0)
    .bind::<Text, _>(document)
    .bind::<Integer, _>(operations)
    .bind::<Timestamptz, _>(expire_after)
    .execute(conn)
    .await
    .map(drop)
}

/// Keeps what happens to the mailbox of an action in one order until the transaction ends: commands and their
/// withdrawal come in messages that several replicas may take at the same time.
pub(crate) async fn mailbox_lock(conn: &mut Conn, action: ActionId) -> QueryResult<()> {
    store::sql("select pg_advisory_xact_lock(hashtextextended('mailbox', $1))")
        .bind::<BigInt, _>(action.0)
        .execute(conn)
        .await
        .map(drop)
}

/// Is a command to put into the mailbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewMail {
    /// The command.
    pub command: CommandId,
    /// The agent.
    pub agent: AgentId,
    /// The run's name.
    pub run: RunId,
}

/// Puts commands of an action into the mailbox; those that are there stay as they are, those that were withdrawn before
/// they came stay withdrawn.
pub(crate) async fn mailbox_insert(
    conn: &mut Conn,
    action: ActionId,
    mail: &[NewMail],
) -> QueryResult<usize> {
    let commands: Vec<i64> = mail.iter().map(|new| new.command.0).collect();
    let agents: Vec<i64> = mail.iter().map(|new| new.agent.0).collect();
    let runs: Vec<Uuid> = mail.iter().map(|new| new.run.0).collect();
    store::sql(
        "insert into mailbox (command, action, agent, run, state)
         select new.command, $1, new.agent, new.run, case when w.command is null then 'waiting' else 'withdrawn' end
         from unnest($2, $3, $4) as new(command, agent, run) left join withdrawal w on w.command = new.command
         order by new.command
         on conflict (command) do nothing",
    )
    .bind::<BigInt, _>(action.0)
    .bind::<Array<BigInt>, _>(commands)
    .bind::<Array<BigInt>, _>(agents)
    .bind::<Array<SqlUuid>, _>(runs)
    .execute(conn)
    .await
}

/// Withdraws open commands and remembers those that have not come yet.
pub(crate) async fn mailbox_withdraw(
    conn: &mut Conn,
    commands: &[CommandId],
    now: OffsetDateTime,
) -> QueryResult<usize> {
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    store::sql(
        "insert into withdrawal (command, at)
         select command, $2 from unnest($1) as gone(command)
         where not exists (select from mailbox m where m.command = gone.command)
         on conflict (command) do nothing",
    )
    .bind::<Array<BigInt>, _>(&commands)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    store::sql(
        "update mailbox m set state = 'withdrawn'
         from (
             select command from mailbox where command = any($1) and state in ('waiting', 'leased')
             order by command for update
         ) as open
         where m.command = open.command",
    )
    .bind::<Array<BigInt>, _>(commands)
    .execute(conn)
    .await
}

/// Tells whether an agent has work.
pub(crate) async fn mailbox_due(
    conn: &mut Conn,
    agent: AgentId,
    terms: Terms,
) -> QueryResult<bool> {
    let row: Due = store::sql(MAILBOX_DUE)
        .bind::<BigInt, _>(agent.0)
        .bind::<Timestamptz, _>(terms.now)
        .bind::<Integer, _>(terms.attempts)
        .get_result(conn)
        .await?;
    Ok(row.due)
}

/// Leases at most `limit` commands to an agent, oldest first.
pub(crate) async fn mailbox_lease(
    conn: &mut Conn,
    agent: AgentId,
    terms: Terms,
    limit: i64,
) -> QueryResult<Vec<Leased>> {
    let rows: Vec<LeasedRow> = store::sql(MAILBOX_LEASE)
        .bind::<BigInt, _>(agent.0)
        .bind::<Timestamptz, _>(terms.now)
        .bind::<Integer, _>(terms.attempts)
        .bind::<Timestamptz, _>(terms.until)
        .bind::<BigInt, _>(limit)
        .get_results(conn)
        .await?;
    let mut leased: Vec<Leased> = rows
        .into_iter()
        .map(|row| Leased {
            command: CommandId(row.command),
            attempts: row.attempts,
            item: WorkItem {
                run: RunId(row.run),
                action: ActionId(row.action),
                document: row.document,
                leased_until: row.leased_until,
            },
        })
        .collect();
    leased.sort_by_key(|work| work.command);
    Ok(leased)
}

/// Tells which of these agents have work or were revoked.
pub(crate) async fn mailbox_ring(
    conn: &mut Conn,
    agents: &[AgentId],
    terms: Terms,
) -> QueryResult<Vec<AgentId>> {
    let agents: Vec<i64> = agents.iter().map(|agent| agent.0).collect();
    let rows: Vec<Number> = store::sql(MAILBOX_RING)
        .bind::<Array<BigInt>, _>(agents)
        .bind::<Timestamptz, _>(terms.now)
        .bind::<Integer, _>(terms.attempts)
        .get_results(conn)
        .await?;
    Ok(rows.into_iter().map(|row| AgentId(row.number)).collect())
}

/// Is a command whose run an agent names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// The command.
    pub command: CommandId,
    /// Its action.
    pub action: ActionId,
    /// Where it is.
    pub asked: Asked,
}

#[derive(QueryableByName)]
struct FoundRow {
    #[diesel(sql_type = SqlUuid)]
    run: Uuid,
    #[diesel(sql_type = BigInt)]
    command: i64,
    #[diesel(sql_type = BigInt)]
    action: i64,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Integer)]
    operations: i32,
}

impl TryFrom<FoundRow> for Found {
    type Error = diesel::result::Error;

    fn try_from(row: FoundRow) -> QueryResult<Self> {
        let state = MailState::parse(&row.state).ok_or_else(|| unreadable("mailbox.state"))?;
        let operations = row.operations.try_into().map_err(unreadable)?;
        Ok(Self {
            command: CommandId(row.command),
            action: ActionId(row.action),
            asked: Asked { state, operations },
        })
    }
}

/// Locks those of these runs that are the agent's until the transaction ends.
pub(crate) async fn mailbox_find(
    conn: &mut Conn,
    agent: AgentId,
    runs: &[RunId],
) -> QueryResult<BTreeMap<RunId, Found>> {
    let runs: Vec<Uuid> = runs.iter().map(|run| run.0).collect();
    let rows: Vec<FoundRow> = store::sql(MAILBOX_FIND)
        .bind::<Array<SqlUuid>, _>(runs)
        .bind::<BigInt, _>(agent.0)
        .get_results(conn)
        .await?;
    rows.into_iter().map(|row| Ok((RunId(row.run), row.try_into()?))).collect()
}

/// Closes commands as answered.
pub(crate) async fn mailbox_close(
    conn: &mut Conn,
    commands: &[CommandId],
    now: OffsetDateTime,
) -> QueryResult<usize> {
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    store::sql(MAILBOX_CLOSE)
        .bind::<Array<BigInt>, _>(commands)
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await
}

/// Is a command that the house ends for its agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lost {
    /// The command.
    pub command: CommandId,
    /// Its action.
    pub action: ActionId,
    /// Its agent.
    pub agent: AgentId,
    /// How many operations the action has.
    pub operations: usize,
}

#[derive(QueryableByName)]
struct LostRow {
    #[diesel(sql_type = BigInt)]
    command: i64,
    #[diesel(sql_type = BigInt)]
    action: i64,
    #[diesel(sql_type = BigInt)]
    agent: i64,
    #[diesel(sql_type = Integer)]
    operations: i32,
}

fn lost(rows: Vec<LostRow>) -> QueryResult<Vec<Lost>> {
    let lost = rows.into_iter().map(|row| {
        Ok(Lost {
            command: CommandId(row.command),
            action: ActionId(row.action),
            agent: AgentId(row.agent),
            operations: row.operations.try_into().map_err(unreadable)?,
        })
    });
    lost.collect()
}

/// Withdraws at most `limit` commands that were handed out as often as may be and whose last lease ran out.
pub(crate) async fn mailbox_give_up(
    conn: &mut Conn,
    terms: Terms,
    limit: i64,
) -> QueryResult<Vec<Lost>> {
    let rows = store::sql(MAILBOX_GIVE_UP)
        .bind::<Timestamptz, _>(terms.now)
        .bind::<Integer, _>(terms.attempts)
        .bind::<BigInt, _>(limit)
        .get_results(conn)
        .await?;
    lost(rows)
}

/// Withdraws all open commands of an agent that was revoked.
pub(crate) async fn mailbox_abandon(conn: &mut Conn, agent: AgentId) -> QueryResult<Vec<Lost>> {
    let rows = store::sql(
        "update mailbox m set state = 'withdrawn'
         from (
             select m.command, d.operations
             from mailbox m join action_document d on d.action = m.action
             where m.agent = $1 and m.state in ('waiting', 'leased')
             order by m.command for update of m
         ) as open
         where m.command = open.command
         returning m.command, m.action, m.agent, open.operations",
    )
    .bind::<BigInt, _>(agent.0)
    .get_results(conn)
    .await?;
    lost(rows)
}

/// Removes at most `limit` commands of actions that ended before `before`; gives how many.
pub(crate) async fn mailbox_purge(
    conn: &mut Conn,
    before: OffsetDateTime,
    limit: i64,
) -> QueryResult<usize> {
    store::sql(
        "delete from mailbox m
         using (
             select m.command from action_document d join mailbox m on m.action = d.action
             where d.expire_after < $1 limit $2
         ) as old
         where m.command = old.command",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(limit)
    .execute(conn)
    .await
}

/// Removes documents of actions that ended before `before` and have no command left, and withdrawals of commands that
/// never came.
pub(crate) async fn documents_purge(conn: &mut Conn, before: OffsetDateTime) -> QueryResult<usize> {
    store::sql("delete from withdrawal where at < $1")
        .bind::<Timestamptz, _>(before)
        .execute(conn)
        .await?;
    store::sql(
        "delete from action_document d
         where d.expire_after < $1 and not exists (select from mailbox m where m.action = d.action)",
    )
    .bind::<Timestamptz, _>(before)
    .execute(conn)
    .await
}
