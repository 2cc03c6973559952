//! The tables `manifest`, `manifest_file` and `manifest_revision`.

use super::{Number, unreadable};
use crate::domain::shelf::File;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::{InvestigatorId, ManifestId, ManifestStatus};

const COLUMNS: &str =
    "id, name, target, status, created, created_by, expires, digest, rollback_to, version";

/// Is a manifest without its content.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) id: ManifestId,
    pub(crate) name: String,
    pub(crate) target: String,
    pub(crate) status: ManifestStatus,
    pub(crate) created: OffsetDateTime,
    pub(crate) created_by: InvestigatorId,
    pub(crate) expires: Option<OffsetDateTime>,
    pub(crate) digest: String,
    pub(crate) rollback_to: Option<String>,
    pub(crate) version: i64,
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
    #[diesel(sql_type = BigInt)]
    created_by: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    expires: Option<OffsetDateTime>,
    #[diesel(sql_type = Text)]
    digest: String,
    #[diesel(sql_type = Nullable<Text>)]
    rollback_to: Option<String>,
    #[diesel(sql_type = BigInt)]
    version: i64,
}

impl TryFrom<ManifestRow> for Manifest {
    type Error = diesel::result::Error;

    fn try_from(row: ManifestRow) -> QueryResult<Self> {
        Ok(Self {
            id: ManifestId(row.id),
            name: row.name,
            target: row.target,
            status: ManifestStatus::parse(&row.status)
                .ok_or_else(|| unreadable("a manifest's status"))?,
            created: row.created,
            created_by: InvestigatorId(row.created_by),
            expires: row.expires,
            digest: row.digest,
            rollback_to: row.rollback_to,
            version: row.version,
        })
    }
}

fn read(rows: Vec<ManifestRow>) -> QueryResult<Vec<Manifest>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

fn first(rows: Vec<ManifestRow>) -> QueryResult<Option<Manifest>> {
    rows.into_iter().next().map(TryInto::try_into).transpose()
}

/// Is what a new manifest starts with.
pub(crate) struct NewManifest<'a> {
    pub(crate) name: &'a str,
    pub(crate) target: &'a str,
    pub(crate) created_by: InvestigatorId,
    pub(crate) expires: Option<OffsetDateTime>,
    pub(crate) digest: &'a str,
    pub(crate) rollback_to: Option<&'a str>,
}

/// Inserts a staged manifest.
pub(crate) async fn manifest_insert(
    conn: &mut Conn,
    new: &NewManifest<'_>,
    now: OffsetDateTime,
) -> QueryResult<Manifest> {
    let rows: Vec<ManifestRow> = store::sql(format!(
        "insert into manifest (name, target, status, created, created_by, expires, digest, rollback_to)
         values ($1, $2, 'staged', $3, $4, $5, $6, $7) returning {COLUMNS}"
    ))
    .bind::<Text, _>(new.name)
    .bind::<Text, _>(new.target)
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(new.created_by.0)
    .bind::<Nullable<Timestamptz>, _>(new.expires)
    .bind::<Text, _>(new.digest)
    .bind::<Nullable<Text>, _>(new.rollback_to)
    .load(conn)
    .await?;
    first(rows)?.ok_or(diesel::result::Error::NotFound)
}

/// Finds a manifest.
pub(crate) async fn manifest_find(
    conn: &mut Conn,
    id: ManifestId,
) -> QueryResult<Option<Manifest>> {
    let rows = store::sql(format!("select {COLUMNS} from manifest where id = $1"))
        .bind::<BigInt, _>(id.0)
        .load(conn)
        .await?;
    first(rows)
}

/// Finds a manifest and keeps it from being changed by others until this transaction is over.
pub(crate) async fn manifest_lock(
    conn: &mut Conn,
    id: ManifestId,
) -> QueryResult<Option<Manifest>> {
    let rows = store::sql(format!("select {COLUMNS} from manifest where id = $1 for update"))
        .bind::<BigInt, _>(id.0)
        .load(conn)
        .await?;
    first(rows)
}

/// Finds the newest manifest of this name that installs what `digest` names and is not disabled; no order to go back is
/// one.
pub(crate) async fn manifest_by_digest(
    conn: &mut Conn,
    name: &str,
    digest: &str,
) -> QueryResult<Option<Manifest>> {
    let rows = store::sql(format!(
        "select {COLUMNS} from manifest where name = $1 and digest = $2 and status <> 'disabled' and rollback_to is null order by id desc limit 1"
    ))
    .bind::<Text, _>(name)
    .bind::<Text, _>(digest)
    .load(conn)
    .await?;
    first(rows)
}

/// Finds the active manifest that loaders are given by an order to go back.
pub(crate) async fn manifest_led_to(
    conn: &mut Conn,
    order: &Manifest,
) -> QueryResult<Option<Manifest>> {
    let rows = store::sql(format!(
        "select {COLUMNS} from manifest where name = $1 and digest = $2 and status = 'active' and rollback_to is null
             and id < $3 order by id desc limit 1"
    ))
    .bind::<Text, _>(&order.name)
    .bind::<Nullable<Text>, _>(order.rollback_to.as_deref())
    .bind::<BigInt, _>(order.id.0)
    .load(conn)
    .await?;
    first(rows)
}

/// Finds the newest order in force that leads back to a manifest.
pub(crate) async fn order_to(
    conn: &mut Conn,
    manifest: &Manifest,
    now: OffsetDateTime,
) -> QueryResult<Option<ManifestId>> {
    let rows: Vec<Number> = store::sql(
        "select id as number from manifest where name = $1 and rollback_to = $2 and id > $3 and status = 'active'
             and (expires is null or expires > $4) order by id desc limit 1",
    )
    .bind::<Text, _>(&manifest.name)
    .bind::<Text, _>(&manifest.digest)
    .bind::<BigInt, _>(manifest.id.0)
    .bind::<Timestamptz, _>(now)
    .load(conn)
    .await?;
    Ok(rows.into_iter().next().map(|row| ManifestId(row.number)))
}

/// Gives up to `limit` manifests with these states, the newest first, from below `before` on.
pub(crate) async fn manifests_page(
    conn: &mut Conn,
    states: &[ManifestStatus],
    before: i64,
    limit: i64,
) -> QueryResult<Vec<Manifest>> {
    let states: Vec<&str> = states.iter().map(|state| state.name()).collect();
    let rows = store::sql(format!(
        "select {COLUMNS} from manifest where id < $1 and status = any($2) order by id desc limit $3"
    ))
    .bind::<BigInt, _>(before)
    .bind::<Array<Text>, _>(states)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    read(rows)
}

/// Writes a manifest's state, or only notes that something of it changed; gives it as it is then.
pub(crate) async fn manifest_set(
    conn: &mut Conn,
    id: ManifestId,
    status: ManifestStatus,
) -> QueryResult<Manifest> {
    let rows: Vec<ManifestRow> = store::sql(format!(
        "update manifest set status = $2, version = version + 1 where id = $1 returning {COLUMNS}"
    ))
    .bind::<BigInt, _>(id.0)
    .bind::<Text, _>(status.name())
    .load(conn)
    .await?;
    first(rows)?.ok_or(diesel::result::Error::NotFound)
}

/// Tells every process that its memory of the manifests is old.
pub(crate) async fn revision_raise(conn: &mut Conn) -> QueryResult<()> {
    store::sql("update manifest_revision set revision = revision + 1").execute(conn).await.map(drop)
}

/// Reads the number that grows with each change.
pub(crate) async fn revision(conn: &mut Conn) -> QueryResult<i64> {
    let found: Number =
        store::sql("select revision as number from manifest_revision").get_result(conn).await?;
    Ok(found.number)
}

#[derive(QueryableByName)]
struct FileRow {
    #[diesel(sql_type = BigInt)]
    manifest_id: i64,
    #[diesel(sql_type = Integer)]
    position: i32,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    size: i64,
    #[diesel(sql_type = Text)]
    sha256: String,
    #[diesel(sql_type = Text)]
    cut_sha256: String,
    #[diesel(sql_type = BigInt)]
    packed: i64,
}

/// Gives the files of manifests in their order, each with its manifest; position 0, the archive, comes first.
pub(crate) async fn files_of(
    conn: &mut Conn,
    manifests: &[i64],
) -> QueryResult<Vec<(ManifestId, File)>> {
    let rows: Vec<FileRow> = store::sql(
        "select manifest_id, position, name, size, sha256, cut_sha256, packed from manifest_file
         where manifest_id = any($1) order by manifest_id, position",
    )
    .bind::<Array<BigInt>, _>(manifests)
    .load(conn)
    .await?;
    let file = |row: FileRow| File {
        position: row.position,
        name: row.name,
        size: row.size,
        sha256: row.sha256,
        cut_sha256: row.cut_sha256,
        packed: row.packed,
    };
    Ok(rows.into_iter().map(|row| (ManifestId(row.manifest_id), file(row))).collect())
}

/// Inserts the files of a manifest.
pub(crate) async fn files_insert(
    conn: &mut Conn,
    manifest: ManifestId,
    files: &[File],
) -> QueryResult<()> {
    let columns = |read: fn(&File) -> &str| files.iter().map(read).collect::<Vec<_>>();
    store::sql(
        "insert into manifest_file (manifest_id, position, name, size, sha256, cut_sha256, packed)
         select $1, * from unnest($2, $3, $4, $5, $6, $7)",
    )
    .bind::<BigInt, _>(manifest.0)
    .bind::<Array<Integer>, _>(files.iter().map(|file| file.position).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(columns(|file| &file.name))
    .bind::<Array<BigInt>, _>(files.iter().map(|file| file.size).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(columns(|file| &file.sha256))
    .bind::<Array<Text>, _>(columns(|file| &file.cut_sha256))
    .bind::<Array<BigInt>, _>(files.iter().map(|file| file.packed).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map(drop)
}
