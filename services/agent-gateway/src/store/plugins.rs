//! Plugins: written once, never changed.

use super::schema::{agent_plugin, plugin};
use super::unreadable;
use crate::domain;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use store::Conn;
use time::OffsetDateTime;
use types::api::plugin::{PluginCommand, PluginDocument, PluginView};
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
}

fn commands(id: Uuid, functions: Value) -> QueryResult<BTreeMap<String, PluginCommand>> {
    let functions = serde_json::from_value(functions).map_err(unreadable)?;
    Ok(domain::plugin::commands(PluginId(id), &functions))
}

impl TryFrom<Row> for PluginView {
    type Error = diesel::result::Error;

    fn try_from(row: Row) -> QueryResult<Self> {
        Ok(Self {
            id: PluginId(row.id),
            commands: commands(row.id, row.commands)?,
            name: row.name,
            version: row.version,
            description: row.description,
            hash: row.hash,
        })
    }
}

/// Stores a plugin and gives it as it is shown.
pub(crate) async fn plugin_insert(conn: &mut Conn, new: &NewRow) -> QueryResult<PluginView> {
    let row: Row = diesel::insert_into(plugin::table)
        .values(new)
        .returning(Row::as_returning())
        .get_result(conn)
        .await?;
    row.try_into()
}

/// Gives the plugins behind `after`, oldest first.
pub(crate) async fn plugins_page(
    conn: &mut Conn,
    after: Uuid,
    limit: i64,
) -> QueryResult<Vec<PluginView>> {
    let rows =
        Row::query().filter(plugin::id.gt(after)).order(plugin::id).limit(limit).load(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Gives one plugin without its source.
pub(crate) async fn plugin_view(conn: &mut Conn, id: PluginId) -> QueryResult<Option<PluginView>> {
    let row = Row::query().filter(plugin::id.eq(id.0)).first(conn).await.optional()?;
    row.map(TryInto::try_into).transpose()
}

/// Gives the plugins that are assigned to an agent.
pub(crate) async fn plugins_of(conn: &mut Conn, agent: AgentId) -> QueryResult<Vec<PluginView>> {
    let assigned =
        agent_plugin::table.filter(agent_plugin::agent.eq(agent.0)).select(agent_plugin::plugin);
    let rows =
        Row::query().filter(plugin::id.eq_any(assigned)).order(plugin::id).load(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Gives a plugin with its source, if it is assigned to the agent.
pub(crate) async fn plugin_document(
    conn: &mut Conn,
    id: PluginId,
    agent: AgentId,
) -> QueryResult<Option<PluginDocument>> {
    let found: Option<(Row, String)> = plugin::table
        .inner_join(agent_plugin::table)
        .filter(agent_plugin::agent.eq(agent.0))
        .filter(plugin::id.eq(id.0))
        .select((Row::as_select(), plugin::script))
        .first(conn)
        .await
        .optional()?;
    let Some((row, script)) = found else { return Ok(None) };
    let view = PluginView::try_from(row)?;
    Ok(Some(PluginDocument {
        id: view.id,
        name: view.name,
        version: view.version,
        description: view.description,
        hash: view.hash,
        script,
        commands: view.commands,
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
