//! Leases: work is handed out for a time, again when it runs out, and given up in the end.

use super::unreadable;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use std::collections::HashSet;
use store::Conn;
use time::OffsetDateTime;
use types::{ActionId, AgentId, AskId, CommandId, RunId};
use uuid::Uuid;

/// Leases the work of many agents, oldest first; notes what each asked.
pub(crate) const MAILBOX_LEASE: &str = "
    with due as (
        select mail.command, mail.until, asks.ask
        from unnest($1, $6) as asks(agent, ask) cross join lateral (
            select m.command, least($4, d.expire_after) as until
            from mailbox m join action_document d on d.action = m.action
            where m.agent = asks.agent and m.state in ('waiting', 'leased')
                and (m.state = 'waiting' or (m.leased_until <= $2 and m.attempts < $3))
                and d.expire_after > $2
            order by m.command limit $5 for update of m skip locked
        ) as mail
    )
    update mailbox m set state = 'leased', leased_until = due.until, attempts = m.attempts + 1,
        delivered_at = coalesce(m.delivered_at, $2), asked = due.ask
    from due where m.command = due.command
    returning m.command, m.action, m.agent, m.run, m.leased_until, m.attempts, m.asked";

/// Finds what was leased to questions of agents, each its own, and is neither over nor answered; oldest first. Of all
/// that is leased only the agent's is looked at, whatever the planner believes.
pub(crate) const MAILBOX_ASKED: &str = "
    select mail.*
    from unnest($1, $2) as asks(agent, ask) cross join lateral (
        select m.command, m.action, m.agent, m.run, m.leased_until, m.attempts, m.asked
        from mailbox m
        where m.agent = asks.agent and m.state in ('waiting', 'leased') and (m.state = 'leased') is true
            and m.asked = asks.ask and m.leased_until > $3
            and (select d.expire_after > $3 from action_document d where d.action = m.action)
        order by m.command limit $4
    ) as mail";

/// Tells which of many agents have work, or were revoked and wait in vain; asked for each poll and before any lock is
/// taken. Each is looked at by its number, whatever the planner believes of tables that were filled a moment ago.
pub(crate) const MAILBOX_RING: &str = "
    select asks.agent as number from unnest($1) as asks(agent)
    where (
        select true from mailbox m
        where m.agent = asks.agent and m.state in ('waiting', 'leased')
            and (m.state = 'waiting' or (m.leased_until <= $2 and m.attempts < $3))
            and (select d.expire_after > $2 from action_document d where d.action = m.action)
        limit 1
    ) or (select a.revoked_at is not null from agent a where a.number = asks.agent)";

/// Lets leases go on.
pub(crate) const MAILBOX_HOLD: &str = "
    update mailbox m set leased_until = least($4, held.expire_after)
    from (
        select m.command, d.expire_after
        from mailbox m join action_document d on d.action = m.action
        where m.run = any($2) and m.agent = $1 and m.state = 'leased' and m.leased_until < $3
            and m.leased_until < d.expire_after and d.expire_after > $5
        order by m.command for update of m
    ) as held
    where m.command = held.command";

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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leased {
    /// The command; the agent does not learn it.
    pub command: CommandId,
    /// Its action.
    pub action: ActionId,
    /// The agent.
    pub agent: AgentId,
    /// The run's name.
    pub run: RunId,
    /// When the lease runs out.
    pub until: OffsetDateTime,
    /// How often it was handed out, this time included.
    pub attempts: i32,
    /// What the agent asked.
    pub asked: Option<AskId>,
}

#[derive(QueryableByName)]
struct LeasedRow {
    #[diesel(sql_type = BigInt)]
    command: i64,
    #[diesel(sql_type = BigInt)]
    action: i64,
    #[diesel(sql_type = BigInt)]
    agent: i64,
    #[diesel(sql_type = SqlUuid)]
    run: Uuid,
    #[diesel(sql_type = Timestamptz)]
    leased_until: OffsetDateTime,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    asked: Option<Uuid>,
}

/// Reads rows, oldest first.
fn leased(rows: Vec<LeasedRow>) -> Vec<Leased> {
    let leased = rows.into_iter().map(|row| Leased {
        command: CommandId(row.command),
        action: ActionId(row.action),
        agent: AgentId(row.agent),
        run: RunId(row.run),
        until: row.leased_until,
        attempts: row.attempts,
        asked: row.asked.map(AskId),
    });
    let mut leased: Vec<Leased> = leased.collect();
    leased.sort_by_key(|work| work.command);
    leased
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Leases at most `limit` commands to each of these agents for what it asks, oldest first; each agent is named once.
pub(crate) async fn mailbox_lease(
    conn: &mut Conn,
    asks: impl IntoIterator<Item = (AgentId, Option<AskId>)>,
    terms: Terms,
    limit: i64,
) -> QueryResult<Vec<Leased>> {
    let asks = asks.into_iter().map(|(agent, ask)| (agent.0, ask.map(|ask| ask.0)));
    let (agents, asks): (Vec<i64>, Vec<Option<Uuid>>) = asks.unzip();
    let rows: Vec<LeasedRow> = store::sql(MAILBOX_LEASE)
        .bind::<Array<BigInt>, _>(agents)
        .bind::<Timestamptz, _>(terms.now)
        .bind::<Integer, _>(terms.attempts)
        .bind::<Timestamptz, _>(terms.until)
        .bind::<BigInt, _>(limit)
        .bind::<Array<Nullable<SqlUuid>>, _>(asks)
        .get_results(conn)
        .await?;
    Ok(leased(rows))
}

/// Gives at most `limit` commands that are leased to each of these questions, oldest first; each is named once.
pub(crate) async fn mailbox_asked(
    conn: &mut Conn,
    asks: impl IntoIterator<Item = (AgentId, AskId)>,
    now: OffsetDateTime,
    limit: i64,
) -> QueryResult<Vec<Leased>> {
    let (agents, asks): (Vec<i64>, Vec<Uuid>) =
        asks.into_iter().map(|(agent, ask)| (agent.0, ask.0)).unzip();
    let rows: Vec<LeasedRow> = store::sql(MAILBOX_ASKED)
        .bind::<Array<BigInt>, _>(agents)
        .bind::<Array<SqlUuid>, _>(asks)
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(limit)
        .get_results(conn)
        .await?;
    Ok(leased(rows))
}

/// Lets the leases of these runs of an agent go on that run out before `late`; gives how many did.
pub(crate) async fn mailbox_hold(
    conn: &mut Conn,
    agent: AgentId,
    runs: &[RunId],
    terms: Terms,
    late: OffsetDateTime,
) -> QueryResult<usize> {
    let runs: Vec<Uuid> = runs.iter().map(|run| run.0).collect();
    store::sql(MAILBOX_HOLD)
        .bind::<BigInt, _>(agent.0)
        .bind::<Array<SqlUuid>, _>(runs)
        .bind::<Timestamptz, _>(late)
        .bind::<Timestamptz, _>(terms.until)
        .bind::<Timestamptz, _>(terms.now)
        .execute(conn)
        .await
}

/// Tells which of these agents have work or were revoked.
pub(crate) async fn mailbox_ring(
    conn: &mut Conn,
    agents: &[AgentId],
    terms: Terms,
) -> QueryResult<HashSet<AgentId>> {
    let agents: Vec<i64> = agents.iter().map(|agent| agent.0).collect();
    let rows: Vec<Number> = store::sql(MAILBOX_RING)
        .bind::<Array<BigInt>, _>(agents)
        .bind::<Timestamptz, _>(terms.now)
        .bind::<Integer, _>(terms.attempts)
        .get_results(conn)
        .await?;
    Ok(rows.into_iter().map(|row| AgentId(row.number)).collect())
}

/// Is a command that the house takes for its agent, or ends.
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

/// Is a row with the columns of [`Lost`].
#[derive(QueryableByName)]
pub(super) struct LostRow {
    #[diesel(sql_type = BigInt)]
    command: i64,
    #[diesel(sql_type = BigInt)]
    action: i64,
    #[diesel(sql_type = BigInt)]
    agent: i64,
    #[diesel(sql_type = Integer)]
    operations: i32,
}

/// Reads rows, in their order.
pub(super) fn lost(rows: Vec<LostRow>) -> QueryResult<Vec<Lost>> {
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

/// Withdraws all open commands of agents that were revoked.
pub(crate) async fn mailbox_abandon(conn: &mut Conn, agents: &[AgentId]) -> QueryResult<Vec<Lost>> {
    let agents: Vec<i64> = agents.iter().map(|agent| agent.0).collect();
    let rows = store::sql(
        "update mailbox m set state = 'withdrawn'
         from (
             select m.command, d.operations
             from mailbox m join action_document d on d.action = m.action
             where m.agent = any($1) and m.state in ('waiting', 'leased')
             order by m.command for update of m
         ) as open
         where m.command = open.command
         returning m.command, m.action, m.agent, open.operations",
    )
    .bind::<Array<BigInt>, _>(agents)
    .get_results(conn)
    .await?;
    lost(rows)
}
