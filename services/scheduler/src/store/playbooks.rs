//! The tables `playbook` and `playbook_document`.

use crate::domain::playbook::Playbook;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension, QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::instant::is_writable;

const COLUMNS: &str = "number, playbook_id, modified, digest, name, description, labels, valid_from, valid_until, revoked, \
     created, created_by";

/// Is one stored version of a playbook, without its text.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct PlaybookRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) number: i64,
    #[diesel(sql_type = Text)]
    pub(crate) playbook_id: String,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) modified: OffsetDateTime,
    #[diesel(sql_type = Binary)]
    pub(crate) digest: Vec<u8>,
    #[diesel(sql_type = Text)]
    pub(crate) name: String,
    #[diesel(sql_type = Text)]
    pub(crate) description: String,
    #[diesel(sql_type = Array<Text>)]
    pub(crate) labels: Vec<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) valid_from: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) valid_until: Option<OffsetDateTime>,
    #[diesel(sql_type = Bool)]
    pub(crate) revoked: bool,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) created: OffsetDateTime,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) created_by: Option<i64>,
}

#[derive(QueryableByName)]
struct DocumentRow {
    #[diesel(sql_type = Text)]
    document: String,
}

/// Keeps a text once.
pub(crate) async fn document_insert(
    conn: &mut Conn,
    digest: &[u8],
    document: &str,
) -> QueryResult<usize> {
    store::sql(
        "insert into playbook_document (digest, document) values ($1, $2) on conflict do nothing",
    )
    .bind::<Binary, _>(digest)
    .bind::<Text, _>(document)
    .execute(conn)
    .await
}

/// Gives a text.
pub(crate) async fn document_get(conn: &mut Conn, digest: &[u8]) -> QueryResult<String> {
    let row: DocumentRow = store::sql("select document from playbook_document where digest = $1")
        .bind::<Binary, _>(digest)
        .get_result(conn)
        .await?;
    Ok(row.document)
}

/// Stores a version; nothing when this version is there already.
pub(crate) async fn playbook_insert(
    conn: &mut Conn,
    playbook: &Playbook,
    digest: &[u8],
    by: Option<i64>,
    now: OffsetDateTime,
) -> QueryResult<Option<PlaybookRow>> {
    store::sql(format!(
        "insert into playbook (playbook_id, modified, digest, name, description, labels, valid_from, valid_until, revoked,
             created, created_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing returning {COLUMNS}"
    ))
    .bind::<Text, _>(&playbook.id)
    .bind::<Timestamptz, _>(playbook.modified)
    .bind::<Binary, _>(digest)
    .bind::<Text, _>(&playbook.name)
    .bind::<Text, _>(&playbook.description)
    .bind::<Array<Text>, _>(&playbook.labels)
    .bind::<Nullable<Timestamptz>, _>(playbook.valid_from)
    .bind::<Nullable<Timestamptz>, _>(playbook.valid_until)
    .bind::<Bool, _>(playbook.revoked)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<BigInt>, _>(by)
    .get_result(conn)
    .await
    .optional()
}

/// Tells whether a row can have this id, and this time: others cannot even be asked for.
fn can_be(id: &str, version: Option<OffsetDateTime>) -> bool {
    !id.contains('\0') && version.is_none_or(is_writable)
}

/// Gives the newest version of a playbook, or the one that was modified at `version`.
pub(crate) async fn playbook_get(
    conn: &mut Conn,
    id: &str,
    version: Option<OffsetDateTime>,
) -> QueryResult<Option<PlaybookRow>> {
    if !can_be(id, version) {
        return Ok(None);
    }
    store::sql(format!(
        "select {COLUMNS} from playbook where deleted is null and playbook_id = $1 and ($2 is null or modified = $2)
         order by modified desc limit 1"
    ))
    .bind::<Text, _>(id)
    .bind::<Nullable<Timestamptz>, _>(version)
    .get_result(conn)
    .await
    .optional()
}

/// Lists the versions, oldest first, behind `after`.
pub(crate) async fn playbooks_list(
    conn: &mut Conn,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<PlaybookRow>> {
    store::sql(format!(
        "select {COLUMNS} from playbook where deleted is null and number > $1 order by number limit $2"
    ))
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await
}

/// Lists the newest versions of the first playbooks whose ids are behind `after`, in the order of the ids.
pub(crate) async fn playbooks_newest(
    conn: &mut Conn,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<PlaybookRow>> {
    store::sql(format!(
        "select distinct on (playbook_id) {COLUMNS} from playbook where deleted is null and playbook_id > $1
         order by playbook_id, modified desc limit $2"
    ))
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(limit)
    .get_results(conn)
    .await
}

/// Deletes all versions of a playbook, or the one that was modified at `version`; tells how many there were.
pub(crate) async fn playbook_delete(
    conn: &mut Conn,
    id: &str,
    version: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> QueryResult<usize> {
    if !can_be(id, version) {
        return Ok(0);
    }
    store::sql(
        "update playbook set deleted = $2 where deleted is null and playbook_id = $1 and ($3 is null or modified = $3)",
    )
    .bind::<Text, _>(id)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<Timestamptz>, _>(version)
    .execute(conn)
    .await
}
