//! The table `delivery`.

use super::loaders::value;
use crate::domain::delivery::{Delivery, State};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::{Conn, Value};
use target::Sql;
use time::OffsetDateTime;
use types::{LoaderId, ManifestId};

/// Notes that a loader is given a manifest that it was not given last; one that it had before begins anew. Whether a file
/// differs is known when it had taken `before`.
pub(crate) async fn delivery_offer(
    conn: &mut Conn,
    loader: LoaderId,
    manifest: ManifestId,
    before: Option<ManifestId>,
    now: OffsetDateTime,
) -> QueryResult<()> {
    let known: Vec<&str> = signing::manifest::KNOWN.to_vec();
    store::sql(
        "insert into delivery as old (manifest_id, loader_id, state, differs, offered, changed)
         select $1, $2, 'offered', exists (select from delivery d
                 where d.loader_id = $2 and d.manifest_id = $3 and d.state = 'taken')
             and exists (select from manifest_file f where f.manifest_id = $1 and f.position > 0 and f.name = any($4)
                 and not exists (select from manifest_file b
                     where b.manifest_id = $3 and b.name = f.name and b.sha256 = f.sha256)), $5, $5
         on conflict (manifest_id, loader_id) do update set state = 'offered', differs = excluded.differs,
             fetching = '{}', fetched = '{}', offered = excluded.offered, changed = excluded.changed",
    )
    .bind::<BigInt, _>(manifest.0)
    .bind::<BigInt, _>(loader.0)
    .bind::<Nullable<BigInt>, _>(before.map(|before| before.0))
    .bind::<Array<Text>, _>(known)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
    .map(drop)
}

/// Writes how far a loader is.
pub(crate) async fn delivery_write(
    conn: &mut Conn,
    loader: LoaderId,
    manifest: ManifestId,
    delivery: &Delivery,
    now: OffsetDateTime,
) -> QueryResult<()> {
    store::sql(
        "update delivery set changed = case when state = $3 then changed else $7 end, state = $3, differs = $4,
             fetching = $5, fetched = $6 where manifest_id = $1 and loader_id = $2",
    )
    .bind::<BigInt, _>(manifest.0)
    .bind::<BigInt, _>(loader.0)
    .bind::<Text, _>(delivery.state.name())
    .bind::<Bool, _>(delivery.differs)
    .bind::<Array<Integer>, _>(&delivery.fetching)
    .bind::<Array<Integer>, _>(&delivery.fetched)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
    .map(drop)
}

/// Is how far one loader is; `behind` where it was not given the manifest yet.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct RolloutRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) loader_name: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) name: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) last_seen: OffsetDateTime,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Bool)]
    pub(crate) current: bool,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) offered: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) changed: Option<OffsetDateTime>,
}

/// Gives the statement that finds who a manifest ($1) is for or was given to; the target's first placeholder is `$2`.
fn reached(target: &str) -> String {
    format!(
        "select loader.id, loader.loader_name, loader.name, loader.last_seen, coalesce(d.state, 'behind') as state,
             coalesce(loader.manifest_id = $1, false) as current, d.offered, d.changed
         from loader left join delivery d on d.manifest_id = $1 and d.loader_id = loader.id
         where d.loader_id is not null or (loader.enabled and {target})"
    )
}

fn binds(manifest: ManifestId, target: &Sql) -> Vec<Value> {
    std::iter::once(Value::Int(manifest.0)).chain(target.binds.iter().cloned().map(value)).collect()
}

/// Gives up to `limit` loaders by id, from above `after` on, with how far each is; of one state only when that is given.
pub(crate) async fn rollout_page(
    conn: &mut Conn,
    manifest: ManifestId,
    target: &Sql,
    state: Option<&str>,
    (after, limit): (i64, i64),
) -> QueryResult<Vec<RolloutRow>> {
    let mut binds = binds(manifest, target);
    let mut next = |value| {
        binds.push(value);
        format!("${}", binds.len())
    };
    let (after, limit) = (next(Value::Int(after)), next(Value::Int(limit)));
    let wanted = state.map(|state| format!(" and state = {}", next(Value::Text(state.into()))));
    let text = format!(
        "select * from ({}) as reached where id > {after}{} order by id limit {limit}",
        reached(&target.text),
        wanted.unwrap_or_default()
    );
    store::bind(text, binds).load(conn).await
}

/// Counts loaders by how far they are.
pub(crate) async fn rollout_counts(
    conn: &mut Conn,
    manifest: ManifestId,
    target: &Sql,
) -> QueryResult<Vec<(String, i64)>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        state: String,
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let text = format!(
        "select state, count(*) as count from ({}) as reached group by state",
        reached(&target.text)
    );
    let rows: Vec<Row> = store::bind(text, binds(manifest, target)).load(conn).await?;
    Ok(rows.into_iter().map(|row| (row.state, row.count)).collect())
}

/// Lists the words that a rollout tells loaders apart by.
pub(crate) fn states() -> impl Iterator<Item = &'static str> {
    State::ALL.into_iter().map(State::name).chain(std::iter::once("behind"))
}
