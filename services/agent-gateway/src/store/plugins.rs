//! Plugins: written once, never changed.

use super::schema::{agent_plugin, plugin, plugin_parting};
use super::signatures::signatures_of;
use super::unreadable;
use crate::domain;
use crate::domain::parameters::Parameters;
use crate::domain::task::CommandKey;
use diesel::dsl::exists;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use store::Conn;
use time::OffsetDateTime;
use types::api::plugin::{PluginCommand, PluginDocument, PluginVersion, PluginView};
use types::{AgentId, PluginId};
use uuid::Uuid;

/// Is a plugin to store.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = plugin)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub(crate) struct NewRow {
    /// The id.
    pub id: Uuid,
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// What it does.
    pub description: String,
    /// The source.
    pub script: String,
    /// Its hash.
    pub hash: String,
    /// Methods by published command name.
    pub commands: Value,
    /// When it was published.
    pub published: OffsetDateTime,
    /// Who published it.
    pub published_by: i64,
    /// Whether the version came as a number.
    pub version_is_number: bool,
    /// The parameters of its commands by published name, as far as they are known.
    pub parameters: Value,
}

#[derive(HasQuery)]
#[diesel(table_name = plugin)]
#[diesel(check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    name: String,
    version: String,
    description: String,
    hash: String,
    commands: Value,
    version_is_number: bool,
}

fn commands(id: Uuid, functions: Value) -> QueryResult<BTreeMap<String, PluginCommand>> {
    let functions = serde_json::from_value(functions).map_err(unreadable)?;
    Ok(domain::plugin::commands(PluginId(id), &functions))
}

fn version(text: String, is_number: bool) -> PluginVersion {
    match text.parse() {
        Ok(number) if is_number => PluginVersion::Number(number),
        _ => PluginVersion::Text(text),
    }
}

fn view(row: Row, signatures: &Signatures) -> QueryResult<PluginView> {
    let id = PluginId(row.id);
    let signers = signatures.get(&id).into_iter().flatten().map(|(by, _)| by.clone());
    Ok(PluginView {
        id,
        commands: commands(row.id, row.commands)?,
        name: row.name,
        version: version(row.version, row.version_is_number),
        description: row.description,
        hash: row.hash,
        signers: signers.collect(),
    })
}

type Signatures = BTreeMap<PluginId, Vec<(String, String)>>;

async fn views(conn: &mut Conn, rows: Vec<Row>) -> QueryResult<Vec<PluginView>> {
    let ids: Vec<PluginId> = rows.iter().map(|row| PluginId(row.id)).collect();
    let signatures = signatures_of(conn, &ids).await?;
    rows.into_iter().map(|row| view(row, &signatures)).collect()
}

/// Stores a plugin.
pub(crate) async fn plugin_insert(conn: &mut Conn, new: &NewRow) -> QueryResult<()> {
    diesel::insert_into(plugin::table).values(new).execute(conn).await.map(drop)
}

/// Gives the plugins behind `after`, oldest first.
pub(crate) async fn plugins_page(
    conn: &mut Conn,
    after: Uuid,
    limit: i64,
) -> QueryResult<Vec<PluginView>> {
    let rows =
        Row::query().filter(plugin::id.gt(after)).order(plugin::id).limit(limit).load(conn).await?;
    views(conn, rows).await
}

/// Gives the newest plugins, the newest first.
pub(crate) async fn plugins_latest(conn: &mut Conn, limit: i64) -> QueryResult<Vec<PluginView>> {
    let rows = Row::query().order(plugin::id.desc()).limit(limit).load(conn).await?;
    views(conn, rows).await
}

/// Gives one plugin without its source.
pub(crate) async fn plugin_view(conn: &mut Conn, id: PluginId) -> QueryResult<Option<PluginView>> {
    let row = Row::query().filter(plugin::id.eq(id.0)).first(conn).await.optional()?;
    Ok(views(conn, row.into_iter().collect()).await?.pop())
}

/// Gives the plugins that are assigned to an agent.
pub(crate) async fn plugins_of(conn: &mut Conn, agent: AgentId) -> QueryResult<Vec<PluginView>> {
    let assigned =
        agent_plugin::table.filter(agent_plugin::agent.eq(agent.0)).select(agent_plugin::plugin);
    let rows =
        Row::query().filter(plugin::id.eq_any(assigned)).order(plugin::id).load(conn).await?;
    views(conn, rows).await
}

/// Gives a plugin with its source, if it is assigned to the agent or was until a moment ago.
pub(crate) async fn plugin_document(
    conn: &mut Conn,
    id: PluginId,
    agent: AgentId,
    now: OffsetDateTime,
) -> QueryResult<Option<PluginDocument>> {
    let assigned = agent_plugin::table
        .filter(agent_plugin::agent.eq(agent.0))
        .filter(agent_plugin::plugin.eq(id.0));
    let parting = plugin_parting::table
        .filter(plugin_parting::agent.eq(agent.0))
        .filter(plugin_parting::plugin.eq(id.0))
        .filter(plugin_parting::until.gt(now));
    let found: Option<(Row, String)> = plugin::table
        .filter(plugin::id.eq(id.0))
        .filter(exists(assigned).or(exists(parting)))
        .select((Row::as_select(), plugin::script))
        .first(conn)
        .await
        .optional()?;
    let Some((row, script)) = found else { return Ok(None) };
    let mut signatures = signatures_of(conn, &[id]).await?;
    let view = view(row, &signatures)?;
    let signatures = signatures.remove(&id).unwrap_or_default();
    Ok(Some(PluginDocument {
        id: view.id,
        name: view.name,
        version: view.version,
        description: view.description,
        hash: view.hash,
        script,
        commands: view.commands,
        signatures: signatures.into_iter().map(|(_, signature)| signature).collect(),
    }))
}

/// Tells which of these plugins there are.
pub(crate) async fn plugins_known(
    conn: &mut Conn,
    ids: &[PluginId],
) -> QueryResult<BTreeSet<PluginId>> {
    let ids = ids.iter().map(|id| id.0);
    let known = plugin::table.filter(plugin::id.eq_any(ids)).select(plugin::id).load(conn).await?;
    Ok(known.into_iter().map(PluginId).collect())
}

/// Gives the parameters of these commands, of those where they are known.
pub(crate) async fn parameters_of(
    conn: &mut Conn,
    keys: &BTreeSet<CommandKey>,
) -> QueryResult<BTreeMap<CommandKey, Parameters>> {
    let ids: BTreeSet<Uuid> = keys.iter().map(|key| key.plugin.0).collect();
    let rows: Vec<(Uuid, Value)> = plugin::table
        .filter(plugin::id.eq_any(ids))
        .filter(plugin::parameters.is_not_null())
        .select((plugin::id, plugin::parameters.assume_not_null()))
        .load(conn)
        .await?;
    let mut known = BTreeMap::new();
    for (id, parameters) in rows {
        let parameters: BTreeMap<String, Parameters> =
            serde_json::from_value(parameters).map_err(unreadable)?;
        known.extend(
            parameters
                .into_iter()
                .map(|(name, parameters)| (CommandKey { plugin: PluginId(id), name }, parameters)),
        );
    }
    Ok(known)
}

/// Forgets which plugins were taken from agents, once they cannot be fetched any more.
pub(crate) async fn partings_purge(conn: &mut Conn, now: OffsetDateTime) -> QueryResult<usize> {
    diesel::delete(plugin_parting::table.filter(plugin_parting::until.le(now))).execute(conn).await
}
