//! The mailbox: what waits for which agent, and what came back. How it is handed out is in [`super::leases`].

use super::unreadable;
use crate::domain::receipt::{Asked, MailState};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use messaging::TraceContext;
use std::collections::{BTreeMap, BTreeSet};
use store::Conn;
use time::OffsetDateTime;
use types::{ActionId, AgentId, CommandId, RunId};
use uuid::Uuid;

/// Locks the runs that agents answer, each its own.
pub(crate) const MAILBOX_FIND: &str = "
    select m.run, m.agent, m.command, m.action, m.state, d.operations, d.traceparent
    from unnest($1, $2) as asked(run, agent) join mailbox m on m.run = asked.run and m.agent = asked.agent
        join action_document d on d.action = m.action
    order by m.command for update of m";

/// Closes commands as answered.
pub(crate) const MAILBOX_CLOSE: &str = "
    update mailbox set state = 'returned' where command = any($1)";

/// Puts commands into the mailbox. Each agent is looked at by its number, whatever the planner believes of tables that
/// were filled a moment ago.
pub(crate) const MAILBOX_INSERT: &str = "
    with made as (
        insert into mailbox (command, action, agent, run, state, push_at)
        select new.command, $1, new.agent, new.run,
            case when (select true from withdrawal w where w.command = new.command) then 'withdrawn' else 'waiting' end,
            a.push_at
        from unnest($2, $3, $4) as new(command, agent, run) cross join lateral (
                select case when a.transport = 'mig' then coalesce((
                    select $5 from agent o
                    where o.transport = 'mig' and o.status <> 'offline' and o.queueloc collate \"C\" = a.queueloc
                        and (o.status = 'online') is true
                    limit 1
                ), 'infinity') end as push_at
                from agent a where a.number = new.agent offset 0
            ) as a
        order by new.command
        on conflict (command) do nothing
        returning 1
    )
    update action_document set sent = sent + (select count(*) from made) where action = $1";

/// Stores an action's document once, however many commands it has.
pub(crate) async fn document_insert(
    conn: &mut Conn,
    action: ActionId,
    document: &str,
    operations: i32,
    expire_after: OffsetDateTime,
    started: OffsetDateTime,
) -> QueryResult<()> {
    store::sql(
        "insert into action_document (action, document, operations, expire_after, started) values ($1, $2, $3, $4, $5)
         on conflict (action) do nothing",
    )
    .bind::<BigInt, _>(action.0)
    .bind::<Text, _>(document)
    .bind::<Integer, _>(operations)
    .bind::<Timestamptz, _>(expire_after)
    .bind::<Timestamptz, _>(started)
    .execute(conn)
    .await
    .map(drop)
}

/// Keeps whose work the commands of an action are.
pub(crate) async fn document_keep_trace(
    conn: &mut Conn,
    action: ActionId,
    trace: &str,
) -> QueryResult<usize> {
    store::sql(
        "update action_document set traceparent = $2 where action = $1 and traceparent is null",
    )
    .bind::<BigInt, _>(action.0)
    .bind::<Text, _>(trace)
    .execute(conn)
    .await
}

/// Tells whose work the commands of these actions are, where that is collected.
pub(crate) async fn documents_trace(
    conn: &mut Conn,
    actions: &[ActionId],
) -> QueryResult<BTreeMap<ActionId, TraceContext>> {
    let actions: Vec<i64> = actions.iter().map(|action| action.0).collect();
    let rows: Vec<Traced> = store::sql(
        "select action, traceparent from action_document where action = any($1) and traceparent is not null",
    )
    .bind::<Array<BigInt>, _>(actions)
    .get_results(conn)
    .await?;
    let traces = rows.into_iter();
    Ok(traces.map(|row| (ActionId(row.action), TraceContext::kept(row.traceparent))).collect())
}

#[derive(QueryableByName)]
struct Traced {
    #[diesel(sql_type = BigInt)]
    action: i64,
    #[diesel(sql_type = Nullable<Text>)]
    traceparent: Option<String>,
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
/// they came stay withdrawn. Those for MIG agents are handed to the broker now, or when their machine is heard again.
pub(crate) async fn mailbox_insert(
    conn: &mut Conn,
    action: ActionId,
    mail: &[NewMail],
    now: OffsetDateTime,
) -> QueryResult<usize> {
    let commands: Vec<i64> = mail.iter().map(|new| new.command.0).collect();
    let agents: Vec<i64> = mail.iter().map(|new| new.agent.0).collect();
    let runs: Vec<Uuid> = mail.iter().map(|new| new.run.0).collect();
    store::sql(MAILBOX_INSERT)
        .bind::<BigInt, _>(action.0)
        .bind::<Array<BigInt>, _>(commands)
        .bind::<Array<BigInt>, _>(agents)
        .bind::<Array<SqlUuid>, _>(runs)
        .bind::<Timestamptz, _>(now)
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
         order by gone.command
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

/// Is a command whose run an agent names.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The command.
    pub command: CommandId,
    /// Its action.
    pub action: ActionId,
    /// Where it is.
    pub asked: Asked,
    /// Whose work it is.
    pub trace: TraceContext,
}

#[derive(QueryableByName)]
struct FoundRow {
    #[diesel(sql_type = SqlUuid)]
    run: Uuid,
    #[diesel(sql_type = BigInt)]
    agent: i64,
    #[diesel(sql_type = BigInt)]
    command: i64,
    #[diesel(sql_type = BigInt)]
    action: i64,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Integer)]
    operations: i32,
    #[diesel(sql_type = Nullable<Text>)]
    traceparent: Option<String>,
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
            trace: TraceContext::kept(row.traceparent),
        })
    }
}

/// Locks those of these runs that are the agent's that names them until the transaction ends.
pub(crate) async fn mailbox_find(
    conn: &mut Conn,
    asked: &BTreeSet<(AgentId, RunId)>,
) -> QueryResult<BTreeMap<(AgentId, RunId), Found>> {
    let runs: Vec<Uuid> = asked.iter().map(|(_, run)| run.0).collect();
    let agents: Vec<i64> = asked.iter().map(|(agent, _)| agent.0).collect();
    let rows: Vec<FoundRow> = store::sql(MAILBOX_FIND)
        .bind::<Array<SqlUuid>, _>(runs)
        .bind::<Array<BigInt>, _>(agents)
        .get_results(conn)
        .await?;
    rows.into_iter()
        .map(|row| Ok(((AgentId(row.agent), RunId(row.run)), row.try_into()?)))
        .collect()
}

/// Closes commands as answered.
pub(crate) async fn mailbox_close(conn: &mut Conn, commands: &[CommandId]) -> QueryResult<usize> {
    let commands: Vec<i64> = commands.iter().map(|command| command.0).collect();
    store::sql(MAILBOX_CLOSE).bind::<Array<BigInt>, _>(commands).execute(conn).await
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

/// Is how many there are of one kind.
#[derive(Debug, QueryableByName)]
pub(crate) struct Counted {
    /// The state.
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    /// How agents of this kind are spoken with; empty for commands.
    #[diesel(sql_type = Text)]
    pub(crate) transport: String,
    /// How many.
    #[diesel(sql_type = BigInt)]
    pub(crate) count: i64,
}

/// Counts agents, from an index alone.
pub(crate) const AGENTS_COUNT: &str = "
    select status as state, transport, count(*) as count from agent group by status, transport";

/// Counts the commands that wait or are out, from an index of these alone.
pub(crate) const MAILBOX_COUNT: &str = "
    select state, '' as transport, count(*) as count from mailbox
    where state in ('waiting', 'leased') group by state";

/// Counts by one of the two questions above.
pub(crate) async fn counted(conn: &mut Conn, question: &'static str) -> QueryResult<Vec<Counted>> {
    store::sql(question).load(conn).await
}
