//! Takes what agent-gateway tells into the copy.

use diesel::result::Error::SerializationError;
use diesel::sql_types::{BigInt, Bool, Jsonb, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use serde_json::json;
use std::collections::BTreeMap;
use store::Conn;
use time::OffsetDateTime;
use types::messages::{AgentChanged, AgentSeen};

/// Puts `agents` into the copy, one statement for all; an older revision than the copy's changes nothing.
pub async fn apply_changed(conn: &mut Conn, agents: &[AgentChanged]) -> QueryResult<usize> {
    let mut newest = BTreeMap::<i64, &AgentChanged>::new();
    for agent in agents {
        let known = newest.entry(agent.number.0).or_insert(agent);
        if agent.revision > known.revision {
            *known = agent;
        }
    }
    let rows = newest.values().map(|agent| {
        Ok(json!({
            "id": agent.number, "uid": agent.id, "name": agent.name, "queueloc": agent.queueloc,
            "transport": agent.transport, "mode": agent.mode, "version": agent.version, "pid": agent.pid,
            "status": agent.status, "environment": agent.environment, "tags": agent.tags,
            "loader_name": agent.loader_name, "started": rfc3339(agent.started)?,
            "last_seen": rfc3339(agent.last_seen)?, "refreshed": rfc3339(agent.refreshed)?,
            "conflict_since": agent.conflict_since.map(rfc3339).transpose()?, "revision": agent.revision,
        }))
    });
    let rows = rows.collect::<QueryResult<Vec<_>>>()?;
    store::sql(
        "insert into agent as kept (id, uid, name, queueloc, transport, mode, version, pid, status, environment,
             tags, loader_name, started, last_seen, refreshed, conflict_since, revision)
         select id, uid, name, queueloc, transport, mode, version, pid, status, environment,
             tags, loader_name, started, last_seen, refreshed, conflict_since, revision
         from jsonb_to_recordset($1) as new(id bigint, uid uuid, name text, queueloc text, transport text,
             mode text, version text, pid bigint, status text, environment jsonb, tags jsonb,
             loader_name text, started timestamptz, last_seen timestamptz, refreshed timestamptz,
             conflict_since timestamptz, revision bigint)
         order by id
         on conflict (id) do update set uid = excluded.uid, name = excluded.name,
             queueloc = excluded.queueloc, transport = excluded.transport, mode = excluded.mode,
             version = excluded.version, pid = excluded.pid, status = excluded.status,
             environment = excluded.environment, tags = excluded.tags,
             loader_name = excluded.loader_name, started = excluded.started,
             last_seen = greatest(kept.last_seen, excluded.last_seen),
             refreshed = excluded.refreshed, conflict_since = excluded.conflict_since,
             revision = excluded.revision
         where excluded.revision > kept.revision",
    )
    .bind::<Jsonb, _>(json!(rows))
    .execute(conn)
    .await
}

/// Notes when agents were last heard, one statement for all.
pub async fn apply_seen(conn: &mut Conn, seen: &[AgentSeen]) -> QueryResult<usize> {
    let mut latest = BTreeMap::new();
    for agent in seen.iter().flat_map(|message| &message.agents) {
        let at = latest.entry(agent.agent.0).or_insert(agent.at);
        *at = agent.at.max(*at);
    }
    let rows = latest.iter().map(|(id, at)| Ok(json!({"id": id, "at": rfc3339(*at)?})));
    let rows = rows.collect::<QueryResult<Vec<_>>>()?;
    // locked in one order, so that two processes cannot lock each other out
    store::sql(
        "update agent set last_seen = late.at
         from (select agent.id, seen.at from jsonb_to_recordset($1) as seen(id bigint, at timestamptz)
             join agent on agent.id = seen.id and agent.last_seen < seen.at
             order by agent.id for update of agent) as late
         where agent.id = late.id",
    )
    .bind::<Jsonb, _>(json!(rows))
    .execute(conn)
    .await
}

/// Removes at most `limit` rows of MIG agents that went offline and were not heard since `before`, as their owner does;
/// those that `kept`, a condition on `agent`, holds of stay.
pub async fn remove_gone(
    conn: &mut Conn,
    kept: &'static str,
    before: OffsetDateTime,
    limit: i64,
) -> QueryResult<usize> {
    store::sql(format!(
        "delete from agent where id in (
             select id from agent where transport = 'mig' and status = 'offline' and last_seen < $1 and not ({kept})
             order by id limit $2 for update skip locked)"
    ))
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(limit)
    .execute(conn)
    .await
}

#[derive(QueryableByName)]
struct Empty {
    #[diesel(sql_type = Bool)]
    empty: bool,
}

/// Tells whether the copy holds nothing, so that its owner should be asked for everything.
pub async fn is_empty(conn: &mut Conn) -> QueryResult<bool> {
    let found: Empty =
        store::sql("select not exists (select from agent) as empty").get_result(conn).await?;
    Ok(found.empty)
}

fn rfc3339(at: OffsetDateTime) -> QueryResult<String> {
    at.format(&time::format_description::well_known::Rfc3339)
        .map_err(|error| SerializationError(error.into()))
}
