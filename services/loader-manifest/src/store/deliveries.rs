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

/// Notes that a loader is given a manifest that it was not given last; one that it had before begins anew. Whether a
/// file differs is known when it had taken `before`.
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

/// Is how far one loader is; `behind` where it was not given the manifest yet, `passed` where it will not be.
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

/// Says by what a rollout is told.
pub(crate) struct Course {
    /// What loaders are given for it: itself, or what it leads to; nothing where an order leads nowhere.
    pub(crate) given: Option<ManifestId>,
    /// Whether it orders to go back.
    pub(crate) is_order: bool,
    /// What is newer than it: than itself, or than the order to go back to it.
    pub(crate) newest: ManifestId,
    pub(crate) name: String,
    /// Whether nobody is given it any more.
    pub(crate) is_over: bool,
    pub(crate) now: OffsetDateTime,
    /// For whom it is; its first placeholder is [`Course::FIRST_BIND`].
    pub(crate) target: Sql,
}

impl Course {
    pub(crate) const FIRST_BIND: usize = 6;

    /// Gives the statement that finds for whom it is or to whom it was given. Once a loader has taken or failed it,
    /// that is what became of it. Else it is over when nobody is given it any more, or when the loader was given
    /// something newer: by its number, or because a newer order leads to something older. What a loader took before an
    /// order says nothing of the order.
    fn reached(&self) -> String {
        let (for_order, or_given) = if self.is_order {
            ("and loader.manifest_id = $1", "")
        } else {
            ("", "d.loader_id is not null or")
        };
        format!(
            "select loader.id, loader.loader_name, loader.name, loader.last_seen,
                 case when d.state in ('taken', 'failed') then d.state
                     when $4 or loader.manifest_id > $2 or (loader.floors ->> $3)::bigint > $2
                         or loader.manifest_id in (
                             select back.id from manifest o
                             join manifest back on back.name = o.name and back.digest = o.rollback_to
                                 and back.rollback_to is null and back.id < o.id and back.id <> $1
                             where o.name = $3 and o.id > $2 and o.status = 'active'
                                 and (o.expires is null or o.expires > $5)) then 'passed'
                     else coalesce(d.state, 'behind') end as state,
                 coalesce(loader.manifest_id = $1, false) as current, d.offered, d.changed
             from loader left join delivery d on d.manifest_id = $1 and d.loader_id = loader.id {for_order}
             where {or_given} (loader.enabled and {})",
            self.target.text
        )
    }

    fn binds(&self) -> Vec<Value> {
        let own = [
            // no manifest has the number 0
            Value::Int(self.given.map_or(0, |given| given.0)),
            Value::Int(self.newest.0),
            Value::Text(self.name.clone()),
            Value::Bool(self.is_over),
            Value::Time(self.now),
        ];
        own.into_iter().chain(self.target.binds.iter().cloned().map(value)).collect()
    }
}

/// Gives up to `limit` loaders by id, from above `after` on, with how far each is; of one state only when that is
/// given.
pub(crate) async fn rollout_page(
    conn: &mut Conn,
    course: &Course,
    state: Option<&str>,
    (after, limit): (i64, i64),
) -> QueryResult<Vec<RolloutRow>> {
    let mut binds = course.binds();
    let mut next = |value| {
        binds.push(value);
        format!("${}", binds.len())
    };
    let (after, limit) = (next(Value::Int(after)), next(Value::Int(limit)));
    let wanted = state.map(|state| format!(" and state = {}", next(Value::Text(state.into()))));
    let text = format!(
        "select * from ({}) as reached where id > {after}{} order by id limit {limit}",
        course.reached(),
        wanted.unwrap_or_default()
    );
    store::bind(text, binds).load(conn).await
}

/// Counts loaders by how far they are.
pub(crate) async fn rollout_counts(
    conn: &mut Conn,
    course: &Course,
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
        course.reached()
    );
    let rows: Vec<Row> = store::bind(text, course.binds()).load(conn).await?;
    Ok(rows.into_iter().map(|row| (row.state, row.count)).collect())
}

/// Lists the words that a rollout tells loaders apart by.
pub(crate) fn states() -> impl Iterator<Item = &'static str> {
    State::ALL.into_iter().map(State::name).chain(["behind", "passed"])
}
