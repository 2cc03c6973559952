//! The copy in the database.

use diesel::prelude::QueryableByName;
use diesel::result::QueryResult;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use std::collections::BTreeMap;
use store::{Conn, Value};
use time::OffsetDateTime;
use types::messages::InvestigatorChanged;
use types::{InvestigatorId, InvestigatorStatus};

/// Lists the columns of an [`InvestigatorRow`].
pub const INVESTIGATOR_COLUMNS: &str = "id, name, fingerprint, public_key, status, permissions, api_key_sha256, \
     created, modified, version";

/// Is a row of an investigator's state, in its owner's table as in the copies.
#[derive(Debug, Clone, QueryableByName)]
pub struct InvestigatorRow {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    fingerprint: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    public_key: Option<String>,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = BigInt)]
    permissions: i64,
    #[diesel(sql_type = Nullable<Text>)]
    api_key_sha256: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    created: OffsetDateTime,
    #[diesel(sql_type = Timestamptz)]
    modified: OffsetDateTime,
    #[diesel(sql_type = BigInt)]
    version: i64,
}

impl From<InvestigatorRow> for InvestigatorChanged {
    fn from(row: InvestigatorRow) -> Self {
        Self {
            id: InvestigatorId(row.id),
            name: row.name,
            fingerprint: row.fingerprint,
            public_key: row.public_key,
            // a word that is not known, which the owner's table does not admit, means that nothing is allowed
            status: InvestigatorStatus::parse(&row.status).unwrap_or(InvestigatorStatus::Disabled),
            permissions: row.permissions,
            api_key_sha256: row.api_key_sha256,
            created: row.created,
            modified: row.modified,
            version: row.version,
        }
    }
}

/// Reads all investigators.
pub(crate) async fn investigators_all(conn: &mut Conn) -> QueryResult<Vec<InvestigatorChanged>> {
    let rows: Vec<InvestigatorRow> =
        store::sql(format!("select {INVESTIGATOR_COLUMNS} from auth.investigator"))
            .load(conn)
            .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Writes the states of investigators, each unless a higher version is there; in one order, so that two processes that
/// hear the same do not wait for each other in a circle.
pub(crate) async fn investigators_write(
    conn: &mut Conn,
    states: &[InvestigatorChanged],
) -> QueryResult<()> {
    let mut newest = BTreeMap::<InvestigatorId, &InvestigatorChanged>::new();
    for state in states {
        let known = newest.entry(state.id).or_insert(state);
        if state.version > known.version {
            *known = state;
        }
    }
    if newest.is_empty() {
        return Ok(());
    }
    let states: Vec<_> = newest.into_values().collect();
    store::sql(
        "insert into auth.investigator as known \
         (id, name, fingerprint, public_key, status, permissions, api_key_sha256, created, modified, version) \
         select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], \
             $7::text[], $8::timestamptz[], $9::timestamptz[], $10::bigint[]) as told(id) order by id \
         on conflict (id) do update set name = excluded.name, fingerprint = excluded.fingerprint, \
         public_key = excluded.public_key, status = excluded.status, permissions = excluded.permissions, \
         api_key_sha256 = excluded.api_key_sha256, created = excluded.created, modified = excluded.modified, \
         version = excluded.version where excluded.version > known.version",
    )
    .bind::<Array<BigInt>, _>(each(&states, |state| state.id.0))
    .bind::<Array<Text>, _>(each(&states, |state| state.name.as_str()))
    .bind::<Array<Nullable<Text>>, _>(each(&states, |state| state.fingerprint.as_deref()))
    .bind::<Array<Nullable<Text>>, _>(each(&states, |state| state.public_key.as_deref()))
    .bind::<Array<Text>, _>(each(&states, |state| state.status.name()))
    .bind::<Array<BigInt>, _>(each(&states, |state| state.permissions))
    .bind::<Array<Nullable<Text>>, _>(each(&states, |state| state.api_key_sha256.as_deref()))
    .bind::<Array<Timestamptz>, _>(each(&states, |state| state.created))
    .bind::<Array<Timestamptz>, _>(each(&states, |state| state.modified))
    .bind::<Array<BigInt>, _>(each(&states, |state| state.version))
    .execute(conn)
    .await
    .map(drop)
}

/// Gives one column of many rows.
fn each<'a, T>(
    states: &[&'a InvestigatorChanged],
    part: impl Fn(&'a InvestigatorChanged) -> T,
) -> Vec<T> {
    states.iter().map(|state| part(state)).collect()
}

#[derive(QueryableByName)]
struct Confirmed {
    #[diesel(sql_type = Timestamptz)]
    confirmed: OffsetDateTime,
}

/// Reads when the copy was last known to equal the original.
pub(crate) async fn digest_confirmed(conn: &mut Conn) -> QueryResult<Option<OffsetDateTime>> {
    let rows: Vec<Confirmed> = store::sql("select confirmed from auth.digest").load(conn).await?;
    Ok(rows.into_iter().next().map(|row| row.confirmed))
}

/// Notes that the copy equalled the original at `at`; time does not go back.
pub(crate) async fn digest_confirm(conn: &mut Conn, at: OffsetDateTime) -> QueryResult<()> {
    store::bind(
        "insert into auth.digest as known (confirmed) values ($1) \
         on conflict (one) do update set confirmed = greatest(known.confirmed, excluded.confirmed)",
        vec![Value::Time(at)],
    )
    .execute(conn)
    .await
    .map(drop)
}
