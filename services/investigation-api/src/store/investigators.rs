//! The table `investigator`.

use auth::{INVESTIGATOR_COLUMNS as COLUMNS, InvestigatorRow};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::messages::InvestigatorChanged;
use types::{InvestigatorId, Permission, Permissions};

/// Gives all investigators by id.
pub(crate) async fn investigators_all(conn: &mut Conn) -> QueryResult<Vec<InvestigatorChanged>> {
    let rows: Vec<InvestigatorRow> =
        store::sql(format!("select {COLUMNS} from investigator order by id"))
            .get_results(conn)
            .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Finds the investigators with these numbers, in no order; those that do not exist are left out.
pub(crate) async fn investigators_find(
    conn: &mut Conn,
    ids: &[i64],
) -> QueryResult<Vec<InvestigatorChanged>> {
    let rows: Vec<InvestigatorRow> =
        store::sql(format!("select {COLUMNS} from investigator where id = any($1)"))
            .bind::<Array<BigInt>, _>(ids)
            .get_results(conn)
            .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Is what a new investigator starts with.
pub(crate) struct NewInvestigator<'a> {
    pub(crate) name: &'a str,
    pub(crate) fingerprint: Option<&'a str>,
    pub(crate) public_key: Option<&'a str>,
    pub(crate) permissions: Permissions,
    pub(crate) api_key_sha256: Option<&'a str>,
}

/// Inserts an active investigator.
pub(crate) async fn investigator_insert(
    conn: &mut Conn,
    new: &NewInvestigator<'_>,
    now: OffsetDateTime,
) -> QueryResult<InvestigatorChanged> {
    let row: InvestigatorRow = store::sql(format!(
        "insert into investigator (name, fingerprint, public_key, status, permissions, api_key_sha256, created,
             modified)
         values ($1, $2, $3, 'active', $4, $5, $6, $6) returning {COLUMNS}"
    ))
    .bind::<Text, _>(new.name)
    .bind::<Nullable<Text>, _>(new.fingerprint)
    .bind::<Nullable<Text>, _>(new.public_key)
    .bind::<BigInt, _>(new.permissions.0)
    .bind::<Nullable<Text>, _>(new.api_key_sha256)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await?;
    Ok(row.into())
}

/// Locks the table against other writers and tells whether an active administrator exists.
pub(crate) async fn administrator_exists(conn: &mut Conn) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Exists {
        #[diesel(sql_type = Bool)]
        found: bool,
    }
    investigators_lock(conn).await?;
    let administrator = Permission::Investigator.mask() | Permission::InvestigatorUpdate.mask();
    let exists: Exists = store::sql(
        "select exists (select from investigator where status = 'active' and permissions & $1 = $1) as found",
    )
    .bind::<BigInt, _>(administrator)
    .get_result(conn)
    .await?;
    Ok(exists.found)
}

/// Keeps other writers away until this transaction is over.
pub(crate) async fn investigators_lock(conn: &mut Conn) -> QueryResult<()> {
    store::sql("lock table investigator in share row exclusive mode").execute(conn).await.map(drop)
}

/// Finds an investigator, whether active or not.
pub(crate) async fn investigator_find(
    conn: &mut Conn,
    id: InvestigatorId,
) -> QueryResult<Option<InvestigatorChanged>> {
    let rows: Vec<InvestigatorRow> =
        store::sql(format!("select {COLUMNS} from investigator where id = $1"))
            .bind::<BigInt, _>(id.0)
            .load(conn)
            .await?;
    Ok(rows.into_iter().next().map(Into::into))
}

/// Writes what can change of an investigator; the caller holds the table ([`investigators_lock`]).
pub(crate) async fn investigator_update(
    conn: &mut Conn,
    state: &InvestigatorChanged,
) -> QueryResult<()> {
    store::sql(
        "update investigator set status = $2, permissions = $3, api_key_sha256 = $4, modified = $5, version = $6 \
         where id = $1",
    )
    .bind::<BigInt, _>(state.id.0)
    .bind::<Text, _>(state.status.name())
    .bind::<BigInt, _>(state.permissions)
    .bind::<Nullable<Text>, _>(state.api_key_sha256.as_deref())
    .bind::<Timestamptz, _>(state.modified)
    .bind::<BigInt, _>(state.version)
    .execute(conn)
    .await
    .map(drop)
}

/// Tells whether an administrator other than `id` can log in.
pub(crate) async fn other_administrator_exists(
    conn: &mut Conn,
    id: InvestigatorId,
) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Exists {
        #[diesel(sql_type = Bool)]
        found: bool,
    }
    let administrator = Permission::Investigator.mask() | Permission::InvestigatorUpdate.mask();
    let exists: Exists = store::sql(
        "select exists (select from investigator where status = 'active' and permissions & $1 = $1 and id <> $2 \
         and (public_key is not null or api_key_sha256 is not null)) as found",
    )
    .bind::<BigInt, _>(administrator)
    .bind::<BigInt, _>(id.0)
    .get_result(conn)
    .await?;
    Ok(exists.found)
}
