//! RunbookSolutions agents: who they are to themselves, by which address they are known, what they can run.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use std::collections::{BTreeMap, BTreeSet};
use store::Conn;
use time::OffsetDateTime;
use types::{AgentId, AgentUid, PluginId, TeamId};
use uuid::Uuid;

use super::tokens::{Known, KnownRow};

/// Finds the agent of an address.
pub(crate) const ADDRESS_FIND: &str = "
    select a.number, a.status, a.transport, true as open from agent a
    where a.address = $1 and a.address is not null and a.revoked_at is null";

/// Reads what an agent is told of itself.
pub(crate) const AGENT_SELF: &str = "
    select a.id, a.name, a.team_id,
        array(select ap.plugin from agent_plugin ap where ap.agent = a.number order by ap.plugin) as plugins,
        exists (select from agent_plugin ap where ap.agent = a.number and not ap.told) as news
    from agent a where a.number = $1";

/// Is what an agent is told of itself.
#[derive(Debug, Clone)]
pub(crate) struct Oneself {
    /// The id.
    pub id: AgentUid,
    /// The name.
    pub name: String,
    /// The team.
    pub team: Option<TeamId>,
    /// The plugins it should have.
    pub plugins: Vec<PluginId>,
    /// Whether it was not told of some of them yet.
    pub news: bool,
}

#[derive(QueryableByName)]
struct SelfRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    team_id: Option<Uuid>,
    #[diesel(sql_type = Array<SqlUuid>)]
    plugins: Vec<Uuid>,
    #[diesel(sql_type = Bool)]
    news: bool,
}

/// Gives what an agent is told of itself.
pub(crate) async fn agent_self(conn: &mut Conn, agent: AgentId) -> QueryResult<Oneself> {
    let row: SelfRow = store::sql(AGENT_SELF).bind::<BigInt, _>(agent.0).get_result(conn).await?;
    Ok(Oneself {
        id: AgentUid(row.id),
        name: row.name,
        team: row.team_id.map(TeamId),
        plugins: row.plugins.into_iter().map(PluginId).collect(),
        news: row.news,
    })
}

/// Notes that an agent was told of these plugins; done once for each.
pub(crate) async fn plugins_tell(
    conn: &mut Conn,
    agent: AgentId,
    plugins: &[PluginId],
) -> QueryResult<usize> {
    let plugins: Vec<Uuid> = plugins.iter().map(|plugin| plugin.0).collect();
    store::sql(
        "update agent_plugin set told = true where agent = $1 and plugin = any($2) and not told",
    )
    .bind::<BigInt, _>(agent.0)
    .bind::<Array<SqlUuid>, _>(plugins)
    .execute(conn)
    .await
}

/// Gives the agent of an address, unless it was revoked.
pub(crate) async fn address_find(conn: &mut Conn, address: &str) -> QueryResult<Option<Known>> {
    let found: Option<KnownRow> =
        store::sql(ADDRESS_FIND).bind::<Text, _>(address).get_result(conn).await.optional()?;
    found.map(TryInto::try_into).transpose()
}

/// Takes an address from the agent that has it; another one has it from now on. Gives which.
pub(crate) async fn address_release(conn: &mut Conn, address: &str) -> QueryResult<Vec<AgentId>> {
    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }
    let rows: Vec<Number> = store::sql(
        "update agent set address = null, revision = revision + 1
         where address = $1 and address is not null and revoked_at is null returning number",
    )
    .bind::<Text, _>(address)
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(|row| AgentId(row.number)).collect())
}

/// Notes that an agent is one of RunbookSolutions' and online; gives whether that was new.
pub(crate) async fn agent_adopt(
    conn: &mut Conn,
    agent: AgentId,
    now: OffsetDateTime,
) -> QueryResult<bool> {
    let changed = store::sql(
        "update agent set transport = 'runbook', mode = 'daemon', status = 'online', refreshed = $2,
             revision = revision + 1
         where number = $1 and revoked_at is null and transport <> 'runbook'",
    )
    .bind::<BigInt, _>(agent.0)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(changed > 0)
}

/// Gives the command keys of those of these agents that are RunbookSolutions'.
pub(crate) async fn agents_runbook(
    conn: &mut Conn,
    agents: &[AgentId],
) -> QueryResult<BTreeMap<AgentId, BTreeSet<String>>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        number: i64,
        #[diesel(sql_type = Array<Text>)]
        commands: Vec<String>,
    }
    let agents: Vec<i64> = agents.iter().map(|agent| agent.0).collect();
    let rows: Vec<Row> = store::sql(
        "select a.number, array(
             select ap.plugin || '.' || key
             from agent_plugin ap join plugin g on g.id = ap.plugin, jsonb_object_keys(g.commands) as key
             where ap.agent = a.number
         ) as commands
         from agent a where a.number = any($1) and a.transport = 'runbook'",
    )
    .bind::<Array<BigInt>, _>(agents)
    .get_results(conn)
    .await?;
    let each = rows.into_iter();
    Ok(each.map(|row| (AgentId(row.number), row.commands.into_iter().collect())).collect())
}

/// Notes that agents told of results; done once in the life of each.
pub(crate) async fn agents_report(
    conn: &mut Conn,
    agents: &[AgentId],
    now: OffsetDateTime,
) -> QueryResult<usize> {
    let agents: Vec<i64> = agents.iter().map(|agent| agent.0).collect();
    store::sql(
        "update agent a set reported = $2
         from (
             select number from agent where number = any($1) and reported is null order by number for no key update
         ) as first
         where a.number = first.number",
    )
    .bind::<Array<BigInt>, _>(agents)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
}
