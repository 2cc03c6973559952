//! The table `loader`.

use crate::domain::delivery::Delivery;
use crate::domain::host::Host;
use crate::domain::key::KeyHash;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Jsonb, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use store::{Conn, Value};
use target::{Bind, Sql};
use time::OffsetDateTime;
use types::messages::LoaderChanged;
use types::{LoaderId, ManifestId};

const COLUMNS: &str = "loader.id, loader.loader_name, loader.key_prefix, loader.enabled, loader.expect_env, loader.name, \
     loader.environment, loader.tags, loader.queueloc, loader.last_seen, loader.manifest_id, loader.floors, \
     loader.created, loader.version";

/// Is a loader without what proves it.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct LoaderRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) loader_name: String,
    #[diesel(sql_type = Text)]
    pub(crate) key_prefix: String,
    #[diesel(sql_type = Bool)]
    pub(crate) enabled: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) expect_env: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) name: Option<String>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub(crate) environment: Option<Json>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub(crate) tags: Option<Json>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) queueloc: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) last_seen: OffsetDateTime,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) manifest_id: Option<i64>,
    #[diesel(sql_type = Jsonb)]
    pub(crate) floors: Json,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) created: OffsetDateTime,
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
}

impl LoaderRow {
    pub(crate) fn id(&self) -> LoaderId {
        LoaderId(self.id)
    }

    /// Gives by manifest name the newest that the loader took.
    pub(crate) fn floors(&self) -> BTreeMap<String, i64> {
        serde_json::from_value(self.floors.clone()).unwrap_or_default()
    }
}

impl From<LoaderRow> for LoaderChanged {
    fn from(row: LoaderRow) -> Self {
        let read = |value: Option<Json>| value.unwrap_or_default();
        Self {
            id: LoaderId(row.id),
            name: row.loader_name,
            agent_name: row.name,
            queueloc: row.queueloc,
            // what is written there was read as these types
            environment: serde_json::from_value(read(row.environment)).unwrap_or_default(),
            tags: serde_json::from_value(read(row.tags)).unwrap_or_default(),
            enabled: row.enabled,
            expect: row.expect_env.unwrap_or_default(),
            last_seen: row.last_seen,
            version: row.version,
        }
    }
}

/// Is a loader that shows its key, with all that is needed to answer it.
#[derive(Debug, QueryableByName)]
pub(crate) struct KnockRow {
    #[diesel(embed)]
    pub(crate) loader: LoaderRow,
    #[diesel(sql_type = Binary)]
    key_hash: Vec<u8>,
    #[diesel(sql_type = Binary)]
    key_salt: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    pub(crate) revision: i64,
    #[diesel(sql_type = Nullable<Text>)]
    state: Option<String>,
    #[diesel(sql_type = Nullable<Bool>)]
    differs: Option<bool>,
    #[diesel(sql_type = Nullable<Array<Integer>>)]
    fetching: Option<Vec<i32>>,
    #[diesel(sql_type = Nullable<Array<Integer>>)]
    fetched: Option<Vec<i32>>,
}

impl KnockRow {
    pub(crate) fn key(&self) -> KeyHash {
        KeyHash { hash: self.key_hash.clone(), salt: self.key_salt.clone() }
    }

    /// Gives how far it is with the manifest that it was last given.
    pub(crate) fn delivery(&self) -> Option<Delivery> {
        Some(Delivery {
            state: crate::domain::delivery::State::parse(self.state.as_deref()?)?,
            differs: self.differs?,
            fetching: self.fetching.clone()?,
            fetched: self.fetched.clone()?,
        })
    }
}

/// Finds whose key has this prefix, whether enabled or not.
pub(crate) async fn loader_knock(conn: &mut Conn, prefix: &str) -> QueryResult<Option<KnockRow>> {
    let rows: Vec<KnockRow> = store::sql(format!(
        "select {COLUMNS}, loader.key_hash, loader.key_salt, (select revision from manifest_revision) as revision,
             d.state, d.differs, d.fetching, d.fetched
         from loader left join delivery d on d.loader_id = loader.id and d.manifest_id = loader.manifest_id
         where loader.key_prefix = $1"
    ))
    .bind::<Text, _>(prefix)
    .load(conn)
    .await?;
    Ok(rows.into_iter().next())
}

/// Finds a loader.
pub(crate) async fn loader_find(conn: &mut Conn, id: LoaderId) -> QueryResult<Option<LoaderRow>> {
    let rows: Vec<LoaderRow> = store::sql(format!("select {COLUMNS} from loader where id = $1"))
        .bind::<BigInt, _>(id.0)
        .load(conn)
        .await?;
    Ok(rows.into_iter().next())
}

/// Inserts a disabled loader.
pub(crate) async fn loader_insert(
    conn: &mut Conn,
    name: &str,
    expect: Option<&str>,
    (prefix, key): (&str, &KeyHash),
    now: OffsetDateTime,
) -> QueryResult<LoaderRow> {
    store::sql(format!(
        "insert into loader (loader_name, expect_env, key_prefix, key_hash, key_salt, last_seen, created)
         values ($1, $2, $3, $4, $5, $6, $6) returning {COLUMNS}"
    ))
    .bind::<Text, _>(name)
    .bind::<Nullable<Text>, _>(expect)
    .bind::<Text, _>(prefix)
    .bind::<Binary, _>(&key.hash)
    .bind::<Binary, _>(&key.salt)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
}

/// Says what people change of a loader; what is absent stays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    pub(crate) enabled: Option<bool>,
    /// A new condition; empty for none.
    pub(crate) expect: Option<String>,
    pub(crate) key: Option<KeyHash>,
}

/// Changes a loader and gives it as it is then.
pub(crate) async fn loader_change(
    conn: &mut Conn,
    id: LoaderId,
    change: &Change,
) -> QueryResult<Option<LoaderRow>> {
    let rows: Vec<LoaderRow> = store::sql(format!(
        "update loader set enabled = coalesce($2, enabled),
             expect_env = case when $3 is null then expect_env else nullif($3, '') end,
             key_hash = coalesce($4, key_hash), key_salt = coalesce($5, key_salt), version = version + 1
         where id = $1 returning {COLUMNS}"
    ))
    .bind::<BigInt, _>(id.0)
    .bind::<Nullable<Bool>, _>(change.enabled)
    .bind::<Nullable<Text>, _>(change.expect.as_deref())
    .bind::<Nullable<Binary>, _>(change.key.as_ref().map(|key| &key.hash))
    .bind::<Nullable<Binary>, _>(change.key.as_ref().map(|key| &key.salt))
    .load(conn)
    .await?;
    Ok(rows.into_iter().next())
}

/// Keeps a loader and whoever has a queue location from being changed by others until this transaction is over: always
/// in the same order, so that two whose hosts change places do not wait for each other.
pub(crate) async fn loaders_lock(conn: &mut Conn, id: LoaderId, queueloc: &str) -> QueryResult<()> {
    store::sql("select from loader where id = $1 or queueloc = $2 order by id for update")
        .bind::<BigInt, _>(id.0)
        .bind::<Text, _>(queueloc)
        .execute(conn)
        .await
        .map(drop)
}

/// Takes a queue location from every loader but one: the host has moved to another key.
pub(crate) async fn queueloc_release(
    conn: &mut Conn,
    queueloc: &str,
    keeper: LoaderId,
) -> QueryResult<Vec<LoaderRow>> {
    store::sql(format!(
        "update loader set queueloc = null, version = version + 1 where queueloc = $1 and id <> $2 returning {COLUMNS}"
    ))
    .bind::<Text, _>(queueloc)
    .bind::<BigInt, _>(keeper.0)
    .load(conn)
    .await
}

/// Is the manifest that a loader is given: its number, and the name under which an older one is refused from now on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) manifest: ManifestId,
    pub(crate) name: &'a str,
    /// Whether an order to go back names it; nothing else lowers what is refused.
    pub(crate) ordered: bool,
}

/// Writes what an enabled loader said of its host and what it is given.
pub(crate) async fn loader_report(
    conn: &mut Conn,
    id: LoaderId,
    host: &Host,
    given: Option<Given<'_>>,
    now: OffsetDateTime,
) -> QueryResult<Option<LoaderRow>> {
    let rows: Vec<LoaderRow> = store::sql(format!(
        "update loader set name = $2, environment = $3, tags = $4, queueloc = $5, last_seen = $6,
             manifest_id = coalesce($7, manifest_id),
             floors = case when $7 is null then floors else floors || jsonb_build_object($8,
                 case when $9 then $7 else greatest(coalesce((floors ->> $8)::bigint, 0), $7) end) end,
             version = version + 1
         where id = $1 and enabled returning {COLUMNS}"
    ))
    .bind::<BigInt, _>(id.0)
    .bind::<Text, _>(&host.name)
    .bind::<Jsonb, _>(&host.environment)
    .bind::<Jsonb, _>(&host.tags)
    .bind::<Nullable<Text>, _>(host.queueloc.as_deref())
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<BigInt>, _>(given.map(|given| given.manifest.0))
    .bind::<Nullable<Text>, _>(given.map(|given| given.name))
    .bind::<Bool, _>(given.is_some_and(|given| given.ordered))
    .load(conn)
    .await?;
    Ok(rows.into_iter().next())
}

/// Gives up to `limit` loaders by id, from above `after` on.
pub(crate) async fn loaders_page(
    conn: &mut Conn,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<LoaderRow>> {
    store::sql(format!("select {COLUMNS} from loader where id > $1 order by id limit $2"))
        .bind::<BigInt, _>(after)
        .bind::<BigInt, _>(limit)
        .load(conn)
        .await
}

/// Is a loader as a list of many shows it: without its environment, which may be large.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct BriefRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) loader_name: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) name: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) last_seen: OffsetDateTime,
}

/// Gives up to `limit` enabled loaders by id, from above `after` on, that a target is for; its first placeholder is
/// `$3`.
pub(crate) async fn loaders_matching(
    conn: &mut Conn,
    target: Sql,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<BriefRow>> {
    let text = format!(
        "select id, loader_name, name, last_seen from loader where enabled and id > $1 and {} order by id limit $2",
        target.text
    );
    let mut binds = vec![Value::Int(after), Value::Int(limit)];
    binds.extend(target.binds.into_iter().map(value));
    store::bind(text, binds).load(conn).await
}

/// Turns a value of a target into one of a statement.
pub(super) fn value(bind: Bind) -> Value {
    match bind {
        Bind::Text(text) => Value::Text(text),
        Bind::Int(number) => Value::Int(number),
        Bind::Float(number) => Value::Float(number),
        Bind::Bool(truth) => Value::Bool(truth),
        Bind::Time(at) => Value::Time(at),
    }
}
