//! MIG agents: a row per process, known by queue location and process id as long as it is not offline
//! (specs/mig/scheduler-agent.md §4.5, §5).

use super::unreadable;
use crate::domain::heartbeat::Heartbeat;
use crate::domain::presence::Known;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Jsonb, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};
use store::Conn;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::{AgentId, AgentStatus};
use uuid::Uuid;

/// Finds the rows that heartbeats are of, and when another process of the same queue location was heard last: the two
/// that were heard last are looked for once for each machine, however many of its processes are heard. A machine may
/// have hundreds of rows that are offline: `collate "C"` is the index of those that are not. `is true` keeps
/// PostgreSQL, which cannot know how many are online, from looking through all of them for each heartbeat.
pub(crate) const MIG_AGENTS_FIND: &str = "
    with machine as materialized (
        select asked.queueloc, latest.numbers, latest.seen
        from (select distinct h.queueloc from unnest($1::text[]) as h(queueloc)) as asked cross join lateral (
            select array_agg(two.number order by two.last_seen desc, two.number) as numbers,
                array_agg(two.last_seen order by two.last_seen desc, two.number) as seen
            from (
                select o.number, p.last_seen from agent o join presence p on p.agent = o.number
                where o.transport = 'mig' and o.status <> 'offline' and o.queueloc collate \"C\" = asked.queueloc
                    and (o.status = 'online') is true and o.mode <> 'checkin'
                order by p.last_seen desc, o.number limit 2
            ) as two
        ) as latest
    )
    select h.place, a.number, a.status, a.refreshed, a.started, a.described is not distinct from h.described as same,
        a.conflict_since, machine.seen[case when machine.numbers[1] = a.number then 2 else 1 end] as rival_seen
    from unnest($1::text[], $2::bigint[], $3::bytea[]) with ordinality as h(queueloc, pid, described, place)
        join agent a on a.transport = 'mig' and a.status <> 'offline' and a.queueloc = h.queueloc and a.pid = h.pid
        join machine on machine.queueloc = h.queueloc";

/// Finds the oldest rows of machines that are not offline, beyond the newest `$2` of each.
pub(crate) const MIG_AGENTS_CROWD: &str = "
    select crowd.number from unnest($1::text[]) as asks(queueloc) cross join lateral (
        select o.number from agent o
        where o.transport = 'mig' and o.status <> 'offline' and o.queueloc collate \"C\" = asks.queueloc
        order by o.number desc offset $2
    ) as crowd";

#[derive(QueryableByName)]
struct KnownRow {
    #[diesel(sql_type = BigInt)]
    place: i64,
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Timestamptz)]
    refreshed: OffsetDateTime,
    #[diesel(sql_type = Timestamptz)]
    started: OffsetDateTime,
    #[diesel(sql_type = Bool)]
    same: bool,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    conflict_since: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    rival_seen: Option<OffsetDateTime>,
}

/// Gives for each heartbeat the row that it is of, in their order.
pub(crate) async fn mig_agents_find(
    conn: &mut Conn,
    heartbeats: &[&Heartbeat],
) -> QueryResult<Vec<Option<(AgentId, Known)>>> {
    let queuelocs: Vec<&str> = heartbeats.iter().map(|heard| heard.queueloc.as_str()).collect();
    let pids: Vec<i64> = heartbeats.iter().map(|heard| heard.pid).collect();
    let described: Vec<&[u8]> = heartbeats.iter().map(|heard| heard.described.as_slice()).collect();
    let rows: Vec<KnownRow> = store::sql(MIG_AGENTS_FIND)
        .bind::<Array<Text>, _>(queuelocs)
        .bind::<Array<BigInt>, _>(pids)
        .bind::<Array<Bytea>, _>(described)
        .get_results(conn)
        .await?;
    let mut known = vec![None; heartbeats.len()];
    for row in rows {
        let place = usize::try_from(row.place).ok().and_then(|place| place.checked_sub(1));
        if let Some(slot) = place.and_then(|place| known.get_mut(place)) {
            let known = Known {
                status: AgentStatus::parse(&row.status)
                    .ok_or_else(|| unreadable("agent.status"))?,
                refreshed: row.refreshed,
                started: row.started,
                same: row.same,
                conflict_since: row.conflict_since,
                rival_seen: row.rival_seen,
            };
            *slot = Some((AgentId(row.number), known));
        }
    }
    Ok(known)
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn numbers(rows: Vec<Number>) -> Vec<AgentId> {
    rows.into_iter().map(|row| AgentId(row.number)).collect()
}

/// Stores new rows, online and heard now, each with since when there is another agent; one that another replica stores
/// at the same moment is left to it. Gives their numbers. What people said of the machine's last row stays.
pub(crate) async fn mig_agents_insert(
    conn: &mut Conn,
    new: &[(&Heartbeat, Option<OffsetDateTime>)],
    now: OffsetDateTime,
) -> QueryResult<Vec<AgentId>> {
    let rows: Result<Vec<Value>, _> = new
        .iter()
        .map(|(heard, conflict_since)| {
            let since = conflict_since.map(|at| at.format(&Rfc3339)).transpose()?;
            Ok::<_, time::error::Format>(json!({
                "id": Uuid::now_v7(), "name": heard.name, "queueloc": heard.queueloc, "mode": heard.mode,
                "version": heard.version, "pid": heard.pid, "environment": heard.environment, "tags": heard.tags,
                "refreshed": heard.refreshed.format(&Rfc3339)?, "described": hex::encode(heard.described), "since": since,
            }))
        })
        .collect();
    let rows: Vec<Number> = store::sql(
        "with new as (
             select * from jsonb_to_recordset($1) as new(id uuid, name text, queueloc text, mode text, version text, pid bigint,
                 environment jsonb, tags jsonb, refreshed timestamptz, described text, since timestamptz)
         ), made as (
             insert into agent (id, name, queueloc, transport, mode, version, pid, status, environment, tags, started,
                 refreshed, described, conflict_since, team_id, loader_name, given_name, given_tags)
             select new.id, coalesce(old.given_name, new.name), new.queueloc, 'mig', new.mode, new.version, new.pid, 'online',
                 new.environment, jsonb_strip_nulls(new.tags || coalesce(old.given_tags, '{}')), $2, new.refreshed,
                 decode(new.described, 'hex'), new.since, old.team_id, coalesce(old.loader_name, ''), old.given_name,
                 coalesce(old.given_tags, '{}')
             from new left join lateral (
                 select team_id, loader_name, given_name, given_tags from agent
                 where transport = 'mig' and queueloc = new.queueloc order by number desc limit 1
             ) as old on true
             order by new.queueloc, new.pid
             on conflict do nothing
             returning number
         ), heard as (insert into presence (agent, last_seen) select number, $2 from made)
         select number from made order by number",
    )
    .bind::<Jsonb, _>(Value::Array(rows.map_err(unreadable)?))
    .bind::<Timestamptz, _>(now)
    .get_results(conn)
    .await?;
    Ok(numbers(rows))
}

/// Is a row that goes on with something new.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Renewed<'a> {
    /// The row.
    pub number: AgentId,
    /// What its agent says.
    pub heard: &'a Heartbeat,
    /// Since when there is another.
    pub conflict_since: Option<OffsetDateTime>,
}

/// Brings rows up to date and online; what people said of them stays. Gives those that were not over in the meantime.
/// To be called when their machines are locked.
pub(crate) async fn mig_agents_update(
    conn: &mut Conn,
    renewed: &[Renewed<'_>],
) -> QueryResult<Vec<AgentId>> {
    let rows: Result<Vec<Value>, _> = renewed
        .iter()
        .map(|Renewed { number, heard, conflict_since }| {
            let since = conflict_since.map(|at| at.format(&Rfc3339)).transpose()?;
            Ok::<_, time::error::Format>(json!({
                "number": number, "name": heard.name, "mode": heard.mode, "version": heard.version,
                "environment": heard.environment, "tags": heard.tags, "described": hex::encode(heard.described),
                "refreshed": heard.refreshed.format(&Rfc3339)?, "since": since,
            }))
        })
        .collect();
    let rows: Vec<Number> = store::sql(
        "with news as (
             select number, name, mode, version, environment, tags, decode(described, 'hex') as described, refreshed, since
             from jsonb_to_recordset($1) as news(number bigint, name text, mode text, version text, environment jsonb,
                 tags jsonb, described text, refreshed timestamptz, since timestamptz)
         ), open as (
             select a.number, a.described is distinct from news.described as told from agent a join news on news.number = a.number
             where a.status <> 'offline' and a.revoked_at is null
         )
         update agent a set status = 'online', revision = a.revision + 1, conflict_since = news.since,
             name = case when open.told then coalesce(a.given_name, news.name) else a.name end,
             tags = case when open.told then jsonb_strip_nulls(news.tags || a.given_tags) else a.tags end,
             mode = news.mode, version = news.version, environment = news.environment, described = news.described,
             refreshed = greatest(a.refreshed, news.refreshed)
         from news join open on open.number = news.number
         where a.number = news.number
         returning a.number",
    )
    .bind::<Jsonb, _>(Value::Array(rows.map_err(unreadable)?))
    .get_results(conn)
    .await?;
    Ok(numbers(rows))
}

/// Ends rows whose agents described their machine anew; gives those that another replica has not ended already. To be
/// called when their machines are locked.
pub(crate) async fn mig_agents_end(
    conn: &mut Conn,
    ended: &[AgentId],
) -> QueryResult<Vec<AgentId>> {
    let ended: Vec<i64> = ended.iter().map(|number| number.0).collect();
    let rows: Vec<Number> = store::sql(
        "update agent set status = 'offline', conflict_since = null, revision = revision + 1
         where number = any($1) and status <> 'offline'
         returning number",
    )
    .bind::<Array<BigInt>, _>(ended)
    .get_results(conn)
    .await?;
    Ok(numbers(rows))
}

/// Gives the oldest rows of these machines that are not offline, beyond the newest `most` of each. To be called when
/// the machines are locked.
pub(crate) async fn mig_agents_crowd(
    conn: &mut Conn,
    queuelocs: &[&str],
    most: i64,
) -> QueryResult<Vec<AgentId>> {
    let rows: Vec<Number> = store::sql(MIG_AGENTS_CROWD)
        .bind::<Array<Text>, _>(queuelocs)
        .bind::<BigInt, _>(most)
        .get_results(conn)
        .await?;
    Ok(numbers(rows))
}

/// Keeps what people say of a MIG agent apart from what it tells of itself, so that it is said of the machine's next
/// row as well. To be called before the row is changed; of other agents nothing is kept.
pub(crate) async fn mig_agent_give(
    conn: &mut Conn,
    number: AgentId,
    name: Option<&str>,
    tags: Option<&Value>,
) -> QueryResult<usize> {
    store::sql(
        "update agent a set given_name = coalesce($2, a.given_name), given_tags = case when $3 is null then a.given_tags else a.given_tags || (
             select coalesce(jsonb_object_agg(label.name, $3 -> label.name), '{}')
             from (select jsonb_object_keys(a.tags) as name union select jsonb_object_keys($3)) as label
             where a.tags -> label.name is distinct from $3 -> label.name
         ) end
         where a.number = $1 and a.transport = 'mig'",
    )
    .bind::<BigInt, _>(number.0)
    .bind::<Nullable<Text>, _>(name)
    .bind::<Nullable<Jsonb>, _>(tags)
    .execute(conn)
    .await
}

/// Gives those of these agents that are MIG's.
pub(crate) async fn agents_mig(conn: &mut Conn, agents: &[AgentId]) -> QueryResult<Vec<AgentId>> {
    let agents: Vec<i64> = agents.iter().map(|agent| agent.0).collect();
    let rows: Vec<Number> =
        store::sql("select number from agent where number = any($1) and transport = 'mig'")
            .bind::<Array<BigInt>, _>(agents)
            .get_results(conn)
            .await?;
    Ok(numbers(rows))
}

/// Removes at most `limit` rows of MIG agents that went offline and were not heard since `before`, and have no mail:
/// each run in checkin mode, each restart leaves one. What was revoked stays, so that it stays revoked.
pub(crate) async fn mig_agents_forget(
    conn: &mut Conn,
    before: OffsetDateTime,
    limit: i64,
) -> QueryResult<usize> {
    store::sql(
        "delete from agent a using (
             select o.number from agent o join presence p on p.agent = o.number
             where o.transport = 'mig' and o.status = 'offline' and o.revoked_at is null and p.last_seen < $1
                 and not exists (select from mailbox m where m.agent = o.number)
             order by o.number limit $2 for update of o skip locked
         ) as gone
         where a.number = gone.number",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(limit)
    .execute(conn)
    .await
}
