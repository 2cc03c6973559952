//! The tables `loader` and `manifest`: copies of what loader-manifest owns.

use diesel::sql_types::{Array, BigInt, Bool, Jsonb, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use serde_json::json;
use std::collections::BTreeMap;
use store::Conn;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::loader::{LoaderEntry, ManifestRecord};
use types::messages::{LoaderChanged, ManifestChanged};
use types::{LoaderId, ManifestId};

/// Puts loaders into the copy; an older version than the copy's changes nothing.
pub(crate) async fn loaders_apply(
    conn: &mut Conn,
    changed: &[LoaderChanged],
) -> QueryResult<usize> {
    let newest = newest(changed, |loader| (loader.id.0, loader.version));
    let rows: Vec<_> = newest
        .map(|loader| {
            json!({"id": loader.id, "name": loader.name, "agent_name": loader.agent_name,
                "enabled": loader.enabled, "last_seen": rfc3339(loader.last_seen), "version": loader.version})
        })
        .collect();
    store::sql(
        "insert into loader as kept (id, name, agent_name, enabled, last_seen, version)
         select id, name, agent_name, enabled, last_seen, version
         from jsonb_to_recordset($1) as new(id bigint, name text, agent_name text, enabled boolean,
             last_seen timestamptz, version bigint)
         order by id
         on conflict (id) do update set name = excluded.name, agent_name = excluded.agent_name,
             enabled = excluded.enabled, last_seen = excluded.last_seen, version = excluded.version
         where excluded.version > kept.version",
    )
    .bind::<Jsonb, _>(json!(rows))
    .execute(conn)
    .await
}

/// Puts manifests into the copy; an older version than the copy's changes nothing.
pub(crate) async fn manifests_apply(
    conn: &mut Conn,
    changed: &[ManifestChanged],
) -> QueryResult<usize> {
    let newest = newest(changed, |manifest| (manifest.id.0, manifest.version));
    let rows: Vec<_> = newest
        .map(|manifest| {
            json!({"id": manifest.id, "name": manifest.name, "target": manifest.target,
                "status": manifest.status, "created": rfc3339(manifest.created), "version": manifest.version})
        })
        .collect();
    store::sql(
        "insert into manifest as kept (id, name, target, status, created, version)
         select id, name, target, status, created, version
         from jsonb_to_recordset($1) as new(id bigint, name text, target text, status text,
             created timestamptz, version bigint)
         order by id
         on conflict (id) do update set name = excluded.name, target = excluded.target,
             status = excluded.status, created = excluded.created, version = excluded.version
         where excluded.version > kept.version",
    )
    .bind::<Jsonb, _>(json!(rows))
    .execute(conn)
    .await
}

/// Keeps of each thing its highest version.
fn newest<T>(changed: &[T], key: impl Fn(&T) -> (i64, i64)) -> impl Iterator<Item = &T> {
    let mut newest = BTreeMap::<i64, (i64, &T)>::new();
    for thing in changed {
        let (id, version) = key(thing);
        let known = newest.entry(id).or_insert((version, thing));
        if version > known.0 {
            *known = (version, thing);
        }
    }
    newest.into_values().map(|(_, thing)| thing)
}

fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

#[derive(QueryableByName)]
struct LoaderRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    agent_name: Option<String>,
    #[diesel(sql_type = Bool)]
    enabled: bool,
    #[diesel(sql_type = Timestamptz)]
    last_seen: OffsetDateTime,
}

impl From<LoaderRow> for LoaderEntry {
    fn from(row: LoaderRow) -> Self {
        Self {
            id: LoaderId(row.id),
            name: row.name,
            prefix: String::new(),
            key: String::new(),
            agentname: row.agent_name.unwrap_or_else(|| "unset".into()),
            lastseen: row.last_seen,
            enabled: row.enabled,
            expectenv: String::new(),
        }
    }
}

/// Finds the loaders with these numbers, in no order, as a search shows them.
pub(crate) async fn loaders_find(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<LoaderEntry>> {
    let rows: Vec<LoaderRow> = store::sql(
        "select id, name, agent_name, enabled, last_seen from loader where id = any($1)",
    )
    .bind::<Array<BigInt>, _>(ids)
    .get_results(conn)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

#[derive(QueryableByName)]
struct ManifestRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    target: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Timestamptz)]
    created: OffsetDateTime,
}

impl From<ManifestRow> for ManifestRecord {
    fn from(row: ManifestRow) -> Self {
        Self {
            id: ManifestId(row.id),
            name: row.name,
            content: String::new(),
            timestamp: row.created,
            status: row.status,
            target: row.target,
            signatures: None,
        }
    }
}

/// Finds the manifests with these numbers, in no order, as a search shows them.
pub(crate) async fn manifests_find(
    conn: &mut Conn,
    ids: &[i64],
) -> QueryResult<Vec<ManifestRecord>> {
    let rows: Vec<ManifestRow> =
        store::sql("select id, name, target, status, created from manifest where id = any($1)")
            .bind::<Array<BigInt>, _>(ids)
            .get_results(conn)
            .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Counts the loaders and the manifests of the copies.
pub(crate) async fn copies_count(conn: &mut Conn) -> QueryResult<(i64, i64)> {
    #[derive(QueryableByName)]
    struct Counts {
        #[diesel(sql_type = BigInt)]
        loaders: i64,
        #[diesel(sql_type = BigInt)]
        manifests: i64,
    }
    let query = "select (select count(*) from loader) as loaders, (select count(*) from manifest) as manifests";
    let counts: Counts = store::sql(query).get_result(conn).await?;
    Ok((counts.loaders, counts.manifests))
}
