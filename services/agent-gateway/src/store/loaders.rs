//! A copy of what loader-manifest tells of loaders, and the names that agents have from it.

use diesel::sql_types::{Array, BigInt, Jsonb, Text};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use serde_json::json;
use std::collections::BTreeMap;
use store::Conn;
use time::format_description::well_known::Rfc3339;
use types::AgentId;
use types::messages::LoaderChanged;

use super::unreadable;

/// Puts loaders into the copy; gives the queue locations that they had and have.
pub(crate) const LOADERS_APPLY: &str = "
    with told as (
        select * from jsonb_to_recordset($1)
            as t(id bigint, name text, queueloc text, last_seen timestamptz, version bigint)
    ), old as (
        select (select kept.queueloc from loader kept where kept.id = told.id and told.version > kept.version)
            as queueloc
        from told
    ), put as (
        insert into loader as kept (id, name, queueloc, last_seen, version)
        select id, name, queueloc, last_seen, version from told order by id
        on conflict (id) do update set name = excluded.name, queueloc = excluded.queueloc,
            last_seen = excluded.last_seen, version = excluded.version
        where excluded.version > kept.version
        returning kept.queueloc
    )
    select queueloc from old where queueloc is not null union select queueloc from put where queueloc is not null";

/// Names agents at these queue locations after their loaders; one whose loader is gone has no name from any.
pub(crate) const AGENTS_RENAME: &str = "
    update agent a set loader_name = named.loader, revision = a.revision + 1
    from (
        select a.number, l.name as loader
        from agent a cross join lateral (
            select coalesce((
                select name from loader where queueloc = a.queueloc order by last_seen desc, id desc limit 1
            ), '') as name
        ) as l
        where a.queueloc = any($1) and a.loader_name <> l.name
        order by a.number for update of a
    ) as named
    where a.number = named.number
    returning a.number";

/// Names agents that are new, or ask under a new queue location, after their loaders.
pub(crate) const AGENTS_NAME: &str = "
    update agent a set loader_name = l.name
    from loader l
    where a.number = any($1) and l.queueloc = a.queueloc and a.loader_name <> l.name";

/// Keeps these loaders; an older version than the copy's changes nothing. Gives the queue locations that they had and
/// have.
pub(crate) async fn loaders_apply(
    conn: &mut Conn,
    changed: &[LoaderChanged],
) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        queueloc: String,
    }
    let mut newest = BTreeMap::<i64, &LoaderChanged>::new();
    for loader in changed {
        let known = newest.entry(loader.id.0).or_insert(loader);
        if loader.version > known.version {
            *known = loader;
        }
    }
    let told: Vec<serde_json::Value> = newest
        .into_values()
        .map(|loader| {
            let last_seen = loader.last_seen.format(&Rfc3339).map_err(unreadable)?;
            Ok(json!({"id": loader.id, "name": loader.name, "queueloc": loader.queueloc, "last_seen": last_seen,
                "version": loader.version}))
        })
        .collect::<QueryResult<_>>()?;
    let rows: Vec<Row> =
        store::sql(LOADERS_APPLY).bind::<Jsonb, _>(json!(told)).get_results(conn).await?;
    Ok(rows.into_iter().map(|row| row.queueloc).collect())
}

/// Names the agents at these queue locations after their loaders and raises their revisions; gives those that have
/// another name now.
pub(crate) async fn agents_rename(
    conn: &mut Conn,
    queuelocs: &[String],
) -> QueryResult<Vec<AgentId>> {
    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }
    let rows: Vec<Number> =
        store::sql(AGENTS_RENAME).bind::<Array<Text>, _>(queuelocs).get_results(conn).await?;
    Ok(rows.into_iter().map(|row| AgentId(row.number)).collect())
}

/// Names these agents after their loaders. To be called in the transaction that raised their revisions.
pub(crate) async fn agents_name(conn: &mut Conn, numbers: &[AgentId]) -> QueryResult<usize> {
    let numbers: Vec<i64> = numbers.iter().map(|number| number.0).collect();
    store::sql(AGENTS_NAME).bind::<Array<BigInt>, _>(numbers).execute(conn).await
}

/// Counts the loaders of the copy.
pub(crate) async fn loaders_count(conn: &mut Conn) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let counted: Count =
        store::sql("select count(*) as count from loader").get_result(conn).await?;
    Ok(counted.count)
}
