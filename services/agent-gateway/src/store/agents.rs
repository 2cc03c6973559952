//! Agents: read whole with what belongs to them, changed in small statements that each raise the revision.
//!
//! Long because all statements over one table stand together.

use super::schema::{agent, agent_plugin, presence};
use super::unreadable;
use crate::domain::agent::Agent;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use std::collections::BTreeSet;
use store::Conn;
use time::OffsetDateTime;
use types::{AgentId, AgentStatus, AgentUid, PluginId, TeamId, Transport};
use uuid::Uuid;

/// Reads agents with when they were last heard, their plugins and the plugins' command keys.
const WHOLE: &str = "
    select a.number, a.id, a.name, a.queueloc, a.transport, a.mode, a.version, a.pid, a.status, a.environment,
        a.tags, a.loader_name, a.team_id, a.started, a.refreshed, a.revoked_at, a.revision, a.address, a.conflict_since,
        p.last_seen,
        array(select ap.plugin from agent_plugin ap where ap.agent = a.number order by ap.plugin) as plugins,
        array(
            select ap.plugin || '.' || key
            from agent_plugin ap join plugin g on g.id = ap.plugin, jsonb_object_keys(g.commands) as key
            where ap.agent = a.number
        ) as commands
    from agent a cross join lateral (
        select p.last_seen from presence p where p.agent = a.number offset 0
    ) as p";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    queueloc: String,
    #[diesel(sql_type = Text)]
    transport: String,
    #[diesel(sql_type = Text)]
    mode: String,
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = BigInt)]
    pid: i64,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Jsonb)]
    environment: Value,
    #[diesel(sql_type = Jsonb)]
    tags: Value,
    #[diesel(sql_type = Text)]
    loader_name: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    team_id: Option<Uuid>,
    #[diesel(sql_type = Timestamptz)]
    started: OffsetDateTime,
    #[diesel(sql_type = Timestamptz)]
    refreshed: OffsetDateTime,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    revoked_at: Option<OffsetDateTime>,
    #[diesel(sql_type = BigInt)]
    revision: i64,
    #[diesel(sql_type = Nullable<Text>)]
    address: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    conflict_since: Option<OffsetDateTime>,
    #[diesel(sql_type = Timestamptz)]
    last_seen: OffsetDateTime,
    #[diesel(sql_type = Array<SqlUuid>)]
    plugins: Vec<Uuid>,
    #[diesel(sql_type = Array<Text>)]
    commands: Vec<String>,
}

impl TryFrom<Row> for Agent {
    type Error = diesel::result::Error;

    fn try_from(row: Row) -> QueryResult<Self> {
        Ok(Self {
            number: AgentId(row.number),
            id: AgentUid(row.id),
            name: row.name,
            queueloc: row.queueloc,
            transport: Transport::parse(&row.transport)
                .ok_or_else(|| unreadable("agent.transport"))?,
            mode: row.mode,
            version: row.version,
            pid: row.pid,
            status: AgentStatus::parse(&row.status).ok_or_else(|| unreadable("agent.status"))?,
            reported: serde_json::from_value(row.environment).map_err(unreadable)?,
            tags: serde_json::from_value(row.tags).map_err(unreadable)?,
            loader_name: row.loader_name,
            team: row.team_id.map(TeamId),
            plugins: row.plugins.into_iter().map(PluginId).collect(),
            commands: row.commands.into_iter().collect(),
            started: row.started,
            last_seen: row.last_seen,
            refreshed: row.refreshed,
            revoked_at: row.revoked_at,
            revision: row.revision,
            address: row.address,
            conflict_since: row.conflict_since,
        })
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn ids(rows: Vec<Number>) -> Vec<AgentId> {
    rows.into_iter().map(|row| AgentId(row.number)).collect()
}

fn whole(rows: Vec<Row>) -> QueryResult<Vec<Agent>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Gives these agents, by number.
pub(crate) async fn agents_by_number(
    conn: &mut Conn,
    numbers: &[AgentId],
) -> QueryResult<Vec<Agent>> {
    let numbers: Vec<i64> = numbers.iter().map(|number| number.0).collect();
    let query = store::sql(format!("{WHOLE} where a.number = any($1) order by a.number"));
    whole(query.bind::<Array<BigInt>, _>(numbers).get_results(conn).await?)
}

/// Gives the agents behind `after`, by number; of one team or all.
pub(crate) async fn agents_page(
    conn: &mut Conn,
    team: Option<TeamId>,
    after: AgentId,
    limit: i64,
) -> QueryResult<Vec<Agent>> {
    let mut values = vec![store::Value::Int(after.0), store::Value::Int(limit)];
    let mut of = "";
    if let Some(team) = team {
        values.push(store::Value::Uuid(team.0));
        of = " and a.team_id = $3";
    }
    let text = format!("{WHOLE} where a.number > $1{of} order by a.number limit $2");
    whole(store::bind(text, values).get_results(conn).await?)
}

/// Gives one agent.
pub(crate) async fn agent_by_id(conn: &mut Conn, id: AgentUid) -> QueryResult<Option<Agent>> {
    let query = store::sql(format!("{WHOLE} where a.id = $1"));
    let row: Option<Row> = query.bind::<SqlUuid, _>(id.0).get_result(conn).await.optional()?;
    row.map(TryInto::try_into).transpose()
}

/// Locks one agent until the transaction ends and gives its number and whether it was revoked. Who only refers to it is
/// not kept waiting: tasks are made of a command that is locked, and commands are locked after their agent here.
pub(crate) async fn agent_lock(
    conn: &mut Conn,
    id: AgentUid,
) -> QueryResult<Option<(AgentId, bool)>> {
    let row: Option<(i64, Option<OffsetDateTime>)> = agent::table
        .filter(agent::id.eq(id.0))
        .select((agent::number, agent::revoked_at))
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(number, revoked_at)| (AgentId(number), revoked_at.is_some())))
}

/// Stores a new agent, not heard yet, and gives its number.
pub(crate) async fn agent_insert(conn: &mut Conn, new: &Agent) -> QueryResult<AgentId> {
    let environment = serde_json::to_value(&new.reported).map_err(unreadable)?;
    let tags = serde_json::to_value(&new.tags).map_err(unreadable)?;
    let row = (
        agent::id.eq(new.id.0),
        agent::name.eq(&new.name),
        agent::queueloc.eq(&new.queueloc),
        agent::transport.eq(new.transport.name()),
        agent::mode.eq(&new.mode),
        agent::version.eq(&new.version),
        agent::status.eq(new.status.name()),
        agent::environment.eq(environment),
        agent::tags.eq(tags),
        agent::team_id.eq(new.team.map(|team| team.0)),
        agent::started.eq(new.started),
        agent::refreshed.eq(new.refreshed),
        agent::address.eq(&new.address),
    );
    let number = diesel::insert_into(agent::table)
        .values(row)
        .returning(agent::number)
        .get_result::<i64>(conn)
        .await?;
    let seen = (presence::agent.eq(number), presence::last_seen.eq(new.last_seen));
    diesel::insert_into(presence::table).values(seen).execute(conn).await?;
    Ok(AgentId(number))
}

/// Is what people change of an agent; what is absent stays.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = agent)]
pub(crate) struct Change {
    /// The name.
    pub name: Option<String>,
    /// The team; null for none.
    #[expect(clippy::option_option, reason = "diesel tells null from what stays so")]
    pub team_id: Option<Option<Uuid>>,
    /// The labels.
    pub tags: Option<Value>,
}

/// Changes an agent and raises its revision.
pub(crate) async fn agent_change(
    conn: &mut Conn,
    number: AgentId,
    change: &Change,
) -> QueryResult<()> {
    diesel::update(agent::table.find(number.0))
        .set((change, agent::revision.eq(agent::revision + 1)))
        .execute(conn)
        .await
        .map(drop)
}

/// Replaces the plugins of an agent and raises its revision; those taken from it may be fetched `until` then.
pub(crate) async fn agent_set_plugins(
    conn: &mut Conn,
    number: AgentId,
    plugins: &[PluginId],
    until: OffsetDateTime,
) -> QueryResult<()> {
    let wanted: Vec<Uuid> = plugins.iter().map(|plugin| plugin.0).collect();
    store::sql(
        "with gone as (delete from agent_plugin where agent = $1 and plugin <> all($2) returning plugin)
         insert into plugin_parting (agent, plugin, until) select $1, plugin, $3 from gone
         on conflict (agent, plugin) do update set until = excluded.until",
    )
    .bind::<BigInt, _>(number.0)
    .bind::<Array<SqlUuid>, _>(wanted)
    .bind::<Timestamptz, _>(until)
    .execute(conn)
    .await?;
    agent_add_plugins(conn, number, plugins, false).await?;
    diesel::update(agent::table.find(number.0))
        .set(agent::revision.eq(agent::revision + 1))
        .execute(conn)
        .await
        .map(drop)
}

/// Gives plugins to an agent; the revision stays. One that is not `told` of them is not given tasks that need them
/// until it has asked which it should have; a new one asks before anything else.
pub(crate) async fn agent_add_plugins(
    conn: &mut Conn,
    number: AgentId,
    plugins: &[PluginId],
    told: bool,
) -> QueryResult<()> {
    let rows: Vec<_> = plugins
        .iter()
        .map(|plugin| {
            let (agent, plugin) =
                (agent_plugin::agent.eq(number.0), agent_plugin::plugin.eq(plugin.0));
            (agent, plugin, agent_plugin::told.eq(told))
        })
        .collect();
    diesel::insert_into(agent_plugin::table)
        .values(rows)
        .on_conflict_do_nothing()
        .execute(conn)
        .await
        .map(drop)
}

/// Marks an agent as revoked and gone and raises its revision.
pub(crate) async fn agent_revoke(
    conn: &mut Conn,
    number: AgentId,
    now: OffsetDateTime,
) -> QueryResult<()> {
    diesel::update(agent::table.find(number.0))
        .set((
            agent::revoked_at.eq(now),
            agent::status.eq(AgentStatus::Offline.name()),
            agent::conflict_since.eq(None::<OffsetDateTime>),
            agent::revision.eq(agent::revision + 1),
        ))
        .execute(conn)
        .await
        .map(drop)
}

/// Removes an agent, unless commands of signed actions refer to it.
pub(crate) async fn agent_remove(conn: &mut Conn, number: AgentId) -> QueryResult<usize> {
    let query =
        "delete from agent where number = $1 and not exists (select from mailbox where agent = $1)";
    store::sql(query).bind::<BigInt, _>(number.0).execute(conn).await
}

/// Is how an agent of Writ's describes itself.
#[derive(Debug, Clone)]
pub(crate) struct Description {
    /// The program's version.
    pub version: String,
    /// The process id.
    pub pid: i64,
    /// The machine, as [`types::Environment`].
    pub environment: Value,
}

/// Stores how an agent describes itself and marks it online; gives whether anything of that was new.
pub(crate) async fn agent_describe(
    conn: &mut Conn,
    number: AgentId,
    new: Description,
    now: OffsetDateTime,
) -> QueryResult<bool> {
    let changed = store::sql(
        "update agent set version = $2, pid = $3, environment = $4, transport = 'writ', mode = 'daemon',
             status = 'online', refreshed = $5, revision = revision + 1
         where number = $1 and revoked_at is null
             and (version, pid, environment, transport, status) is distinct from ($2, $3, $4, 'writ', 'online')",
    )
    .bind::<BigInt, _>(number.0)
    .bind::<Text, _>(new.version)
    .bind::<BigInt, _>(new.pid)
    .bind::<Jsonb, _>(new.environment)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(changed > 0)
}

/// Marks those of these agents online that were idle or offline; gives which. A MIG agent that is offline stays so, and
/// one that was idle comes back by its heartbeat ([`super::mig_agents`]).
pub(crate) async fn agents_come_online(
    conn: &mut Conn,
    numbers: &[AgentId],
) -> QueryResult<Vec<AgentId>> {
    let numbers: Vec<i64> = numbers.iter().map(|number| number.0).collect();
    let rows = store::sql(
        "update agent a set status = 'online', revision = a.revision + 1
         from (
             select number from agent
             where number = any($1) and status in ('idle', 'offline') and transport <> 'mig' and revoked_at is null
             order by number for update
         ) as gone
         where a.number = gone.number
         returning a.number",
    )
    .bind::<Array<BigInt>, _>(numbers)
    .get_results(conn)
    .await?;
    Ok(ids(rows))
}

/// Says for each language before when an agent was heard that is silent now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    /// Writ's own agents.
    pub writ: OffsetDateTime,
    /// RunbookSolutions agents.
    pub runbook: OffsetDateTime,
    /// MIG agents.
    pub mig: OffsetDateTime,
}

/// Moves at most `limit` agents from one state to the next when they were last heard before what `before` says for
/// their language; only those behind `after`, so that a fleet that goes silent is gone through once. Gives which, in
/// order.
pub(crate) async fn agents_fade(
    conn: &mut Conn,
    (from, to): (AgentStatus, AgentStatus),
    before: Before,
    after: AgentId,
    limit: i64,
) -> QueryResult<Vec<AgentId>> {
    let rows = store::sql(
        "update agent a set status = $2, revision = a.revision + 1,
             conflict_since = case when $2 <> 'offline' then a.conflict_since end
         from (
             select a.number from agent a join presence p on p.agent = a.number
             where a.status = $1 and a.number > $7
                 and p.last_seen < case a.transport when 'runbook' then $5 when 'mig' then $6 else $3 end
             order by a.number limit $4 for update of a skip locked
         ) as silent
         where a.number = silent.number
         returning a.number",
    )
    .bind::<Text, _>(from.name())
    .bind::<Text, _>(to.name())
    .bind::<Timestamptz, _>(before.writ)
    .bind::<BigInt, _>(limit)
    .bind::<Timestamptz, _>(before.runbook)
    .bind::<Timestamptz, _>(before.mig)
    .bind::<BigInt, _>(after.0)
    .get_results(conn)
    .await?;
    let mut faded = ids(rows);
    faded.sort_unstable();
    Ok(faded)
}

/// Tells which of these agents may be given work, and keeps them from being revoked, ended or heard anew until the
/// transaction ends; of a machine of MIG that went away also the newest row, as whoever hears it again locks that one.
/// To be called once in it, for all: the rows are locked in one order.
pub(crate) async fn agents_employ(
    conn: &mut Conn,
    numbers: &[AgentId],
) -> QueryResult<Vec<AgentId>> {
    let numbers: Vec<i64> = numbers.iter().map(|number| number.0).collect();
    let rows = store::sql(
        "select a.number from agent a
         where a.number = any($1 || array(
             select newest.number from agent gone cross join lateral (
                 select n.number from agent n where n.transport = 'mig' and n.queueloc = gone.queueloc
                 order by n.number desc limit 1
             ) as newest
             where gone.number = any($1) and gone.transport = 'mig' and gone.status = 'offline'
         )) and a.revoked_at is null and not (
             a.transport = 'mig' and exists (select from agent r
                 where r.transport = 'mig' and r.revoked_at is not null and r.queueloc = a.queueloc)
         )
         order by a.number for share of a",
    )
    .bind::<Array<BigInt>, _>(&numbers)
    .get_results(conn)
    .await?;
    let asked: BTreeSet<i64> = numbers.into_iter().collect();
    let mut employed = ids(rows);
    employed.retain(|agent| asked.contains(&agent.0));
    Ok(employed)
}

/// Tells whether an agent may still ask.
pub(crate) async fn agent_is_admitted(conn: &mut Conn, number: AgentId) -> QueryResult<bool> {
    let admitted = agent::table.find(number.0).filter(agent::revoked_at.is_null());
    diesel::select(diesel::dsl::exists(admitted)).get_result(conn).await
}
