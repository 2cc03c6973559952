//! When each agent was last heard: written with every poll, so in a narrow table of its own.

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Timestamptz};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::AgentId;

/// Notes many agents at once, each by its number, whatever the planner believes of the table; they come in one order,
/// so that two replicas never deadlock.
pub(crate) const PRESENCE_NOTE: &str = "
    update presence p set last_seen = seen.at
    from (
        select p.agent, s.at
        from unnest($1, $2) as s(agent, at) cross join lateral (
            select p.agent from presence p where p.agent = s.agent and p.last_seen < s.at for update
        ) as p
    ) as seen
    where p.agent = seen.agent";

/// Notes when agents were heard, each once and by number; a time that is older than the known one changes nothing.
pub(crate) async fn presence_note(
    conn: &mut Conn,
    seen: &[(AgentId, OffsetDateTime)],
) -> QueryResult<usize> {
    let (agents, times): (Vec<i64>, Vec<OffsetDateTime>) =
        seen.iter().map(|(agent, at)| (agent.0, *at)).unzip();
    store::sql(PRESENCE_NOTE)
        .bind::<Array<BigInt>, _>(agents)
        .bind::<Array<Timestamptz>, _>(times)
        .execute(conn)
        .await
}
