//! Leases: work is handed out for a time, again when it runs out, and given up in the end.

use super::unreadable;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use std::collections::HashSet;
use store::Conn;
use time::OffsetDateTime;
use types::api::work::WorkItem;
use types::{ActionId, AgentId, CommandId, RunId};
use uuid::Uuid;

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

/// Tells which of many agents have work, or were revoked and wait in vain; asked for each poll and before any lock is
/// taken.
pub(crate) const MAILBOX_RING: &str = "
    select distinct m.agent as number
    from mailbox m join action_document d on d.action = m.action
    where m.agent = any($1) and m.state in ('waiting', 'leased')
        and (m.state = 'waiting' or (m.leased_until <= $2 and m.attempts < $3))
        and d.expire_after > $2
    union
    select number from agent where number = any($1) and revoked_at is not null";

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
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
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
