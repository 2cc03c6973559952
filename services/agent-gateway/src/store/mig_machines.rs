//! The machines of MIG agents: all rows of one queue location together.

use super::schema::agent;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use std::collections::{BTreeMap, BTreeSet};
use store::Conn;
use time::OffsetDateTime;
use types::AgentId;

/// Locks the machines of queue locations: their rows that are not offline, and the newest.
pub(crate) const MIG_MACHINES_LOCK: &str = "
    select from agent a
    where a.number = any(array(
        select picked.number from unnest($1::text[]) as asks(queueloc) cross join lateral (
            select o.number from agent o
            where o.transport = 'mig' and o.status <> 'offline' and o.queueloc collate \"C\" = asks.queueloc
            union all
            (select o.number from agent o where o.transport = 'mig' and o.queueloc = asks.queueloc
            order by o.number desc limit 1)
        ) as picked
    ))
    order by a.number for no key update";

/// Reads the modules of the newest online process of each queue location; for `is true` see [`super::mig_agents`].
pub(crate) const MIG_MODULES: &str = "
    select asks.queueloc, array(select jsonb_array_elements_text(newest.modules)) as modules
    from unnest($1) as asks(queueloc) cross join lateral (
        select a.environment->'modules' as modules from agent a
        where a.transport = 'mig' and a.status <> 'offline' and a.queueloc collate \"C\" = asks.queueloc
            and (a.status = 'online') is true
        order by a.number desc limit 1
    ) as newest
    where jsonb_typeof(newest.modules) = 'array'";

/// Says that nobody is there, nor a command in the queue that is still to be answered: the broker removes those when
/// their time is over.
const GONE: &str = "
    not exists (select from agent o where o.transport = 'mig' and o.queueloc = a.queueloc and o.status in ('online', 'idle'))
    and not exists (select from agent o join mailbox m on m.agent = o.number
        where o.transport = 'mig' and o.queueloc = a.queueloc and m.state = 'leased' and m.leased_until > $1)";

/// Gives the queue locations behind `after` of MIG agents that are gone, in order, at most `limit`.
pub(crate) async fn mig_queues_gone(
    conn: &mut Conn,
    after: &str,
    now: OffsetDateTime,
    limit: i64,
) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        queueloc: String,
    }
    let rows: Vec<Row> = store::sql(format!(
        "select distinct a.queueloc from agent a
         where a.transport = 'mig' and a.status = 'offline' and a.queueloc > $2 and {GONE}
         order by a.queueloc limit $3"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.queueloc).collect())
}

/// Is what is left of a queue location that is one of those.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub(crate) struct Leavings {
    /// Whether there are commands for it that may still be sent, once it is heard again.
    #[diesel(sql_type = Bool)]
    pub waiting: bool,
}

/// Looks at one queue location; gives nothing when it is none of those.
pub(crate) async fn mig_leavings(
    conn: &mut Conn,
    queueloc: &str,
    now: OffsetDateTime,
) -> QueryResult<Option<Leavings>> {
    store::sql(format!(
        "select exists (select from agent o join mailbox m on m.agent = o.number join action_document d on d.action = m.action
             where o.transport = 'mig' and o.queueloc = a.queueloc and m.state = 'waiting' and d.expire_after > $1) as waiting
         from (values ($2)) as a(queueloc) where {GONE}"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(queueloc)
    .get_result(conn)
    .await
    .optional()
}

/// Keeps the machines of these queue locations from being given mail, and waits for who gives them some, until the
/// transaction ends: a new process of a machine is there either before its mail is put away, or after.
pub(crate) async fn mig_machines_lock(conn: &mut Conn, queuelocs: &[&str]) -> QueryResult<()> {
    store::sql(MIG_MACHINES_LOCK).bind::<Array<Text>, _>(queuelocs).execute(conn).await.map(drop)
}

/// Locks one machine in the same way, and one of its rows, which may be neither open nor the newest.
pub(crate) async fn mig_machine_lock(
    conn: &mut Conn,
    queueloc: &str,
    row: AgentId,
) -> QueryResult<()> {
    store::sql(
        "select from agent a
         where a.transport = 'mig' and a.queueloc = $1
             and (a.status <> 'offline' or a.number = $2 or a.number = (select max(o.number) from agent o
                 where o.transport = 'mig' and o.queueloc = $1))
         order by a.number for no key update",
    )
    .bind::<Text, _>(queueloc)
    .bind::<BigInt, _>(row.0)
    .execute(conn)
    .await
    .map(drop)
}

/// Gives those of these queue locations whose agent was revoked: it is heard no more, whatever process speaks for it.
pub(crate) async fn mig_machines_revoked(
    conn: &mut Conn,
    queuelocs: &[&str],
) -> QueryResult<BTreeSet<String>> {
    let revoked = agent::table
        .filter(agent::transport.eq("mig"))
        .filter(agent::queueloc.eq_any(queuelocs))
        .filter(agent::revoked_at.is_not_null())
        .select(agent::queueloc);
    Ok(revoked.get_results::<String>(conn).await?.into_iter().collect())
}

/// Gives all rows of a machine, oldest first, and whether each is not offline.
pub(crate) async fn mig_machine_rows(
    conn: &mut Conn,
    queueloc: &str,
) -> QueryResult<Vec<(AgentId, bool)>> {
    let rows = agent::table
        .filter(agent::transport.eq("mig"))
        .filter(agent::queueloc.eq(queueloc))
        .select((agent::number, agent::status.ne("offline")))
        .order(agent::number);
    let rows: Vec<(i64, bool)> = rows.get_results(conn).await?;
    Ok(rows.into_iter().map(|(number, open)| (AgentId(number), open)).collect())
}

#[derive(QueryableByName)]
struct AbleRow {
    #[diesel(sql_type = Text)]
    queueloc: String,
    #[diesel(sql_type = Array<Text>)]
    modules: Vec<String>,
}

/// Gives the modules of the newest online process of each of these queue locations; one that lists none is left out.
pub(crate) async fn mig_modules(
    conn: &mut Conn,
    queuelocs: &[&str],
) -> QueryResult<BTreeMap<String, BTreeSet<String>>> {
    let rows: Vec<AbleRow> =
        store::sql(MIG_MODULES).bind::<Array<Text>, _>(queuelocs).get_results(conn).await?;
    Ok(rows.into_iter().map(|row| (row.queueloc, row.modules.into_iter().collect())).collect())
}
