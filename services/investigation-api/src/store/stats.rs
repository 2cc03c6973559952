//! How the fleet stands: one row, counted by a job.

use diesel::sql_types::{BigInt, Double, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use std::time::Instant;
use store::Conn;
use time::OffsetDateTime;

/// Says how many times as long as a count took it serves, so that however large the fleet is, counting it takes a
/// twentieth of a processor at most.
const SHARE: i32 = 20;

/// Takes the turn to count, unless someone has taken it at `since` or later, or is about to, or what was counted before
/// is not to be counted again so soon; the row stays locked until the transaction is over.
pub(crate) async fn stats_claim(
    conn: &mut Conn,
    now: OffsetDateTime,
    since: OffsetDateTime,
) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Claimed {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let claimed: Claimed = store::sql(format!(
        "with free as (select one from agent_stats
             where counted < $2 and counted + {SHARE} * took * interval '1 second' <= $1 for update skip locked),
         claimed as (update agent_stats set counted = $1 from free where agent_stats.one = free.one returning 1)
         select count(*) as count from claimed"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(since)
    .get_result(conn)
    .await?;
    Ok(claimed.count > 0)
}

/// Counts the fleet by the original's formulas (specs/mig/scheduler-agent.md §7) and keeps the outcome.
pub(crate) async fn stats_count(conn: &mut Conn, now: OffsetDateTime) -> QueryResult<usize> {
    let begun = Instant::now();
    store::sql(COUNT).bind::<Timestamptz, _>(now).execute(conn).await?;
    store::sql("update agent_stats set took = $1")
        .bind::<Double, _>(begun.elapsed().as_secs_f64())
        .execute(conn)
        .await
}

/// Gives the counts, as a JSON text, once there are some.
pub(crate) async fn stats_find(conn: &mut Conn) -> QueryResult<Option<String>> {
    #[derive(QueryableByName)]
    struct Kept {
        #[diesel(sql_type = Text)]
        stats: String,
    }
    let kept: Vec<Kept> =
        store::sql("select stats::text as stats from agent_stats where stats is not null")
            .get_results(conn)
            .await?;
    Ok(kept.into_iter().next().map(|kept| kept.stats))
}

// one reading of the table, narrow from the first step on: an endpoint is a queue location. Of two processes at one of
// them the original has two rows, and agent-gateway one in conflict
const COUNT: &str = "
    with endpoint as materialized (select queueloc,
            count(*) filter (where status = 'online') as online,
            count(*) filter (where status = 'idle') as idle,
            bool_or(status = 'online' and conflict_since is not null) as doubled,
            bool_or(started > $1 - interval '24 hours') as fresh,
            bool_or(last_seen > $1 - interval '7 days' and last_seen < $1 - interval '24 hours') as before,
            bool_or(last_seen > $1 - interval '7 days') as lately
        from agent group by queueloc),
    online as (select version, count(*) as count from agent where status = 'online' group by version),
    idle as (select version, count(*) as count from agent join endpoint using (queueloc)
        where agent.status = 'idle' and endpoint.online = 0 group by version)
    update agent_stats set stats = (select jsonb_build_object(
        'online_agents', (select coalesce(sum(count), 0) from online),
        'online_by_version', (select jsonb_agg(jsonb_build_object('version', version, 'count', count)
            order by version) from online),
        'online_endpoints', count(*) filter (where online > 0),
        'idle_agents', (select coalesce(sum(count), 0) from idle),
        'idle_by_version', (select jsonb_agg(jsonb_build_object('version', version, 'count', count)
            order by version) from idle),
        'idle_endpoints', count(*) filter (where idle > 0 and online = 0),
        'new_endpoints', count(*) filter (where fresh and not before),
        'multi_agents', count(*) filter (where online > 1 or doubled),
        'disappeared', count(*) filter (where lately and online = 0 and idle = 0),
        'flapping', count(*) filter (where online + idle > 1 or doubled)) from endpoint)";
