//! The table `manifest_signature`.

use crate::domain::shelf::Signature;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::{InvestigatorId, ManifestId};

#[derive(QueryableByName)]
struct SignatureRow {
    #[diesel(sql_type = BigInt)]
    manifest_id: i64,
    #[diesel(sql_type = BigInt)]
    investigator_id: i64,
    #[diesel(sql_type = Text)]
    signature: String,
    #[diesel(sql_type = Timestamptz)]
    signed: OffsetDateTime,
}

/// Gives the signatures of manifests in the order in which they came, each with its manifest.
pub(crate) async fn signatures_of(
    conn: &mut Conn,
    manifests: &[i64],
) -> QueryResult<Vec<(ManifestId, Signature)>> {
    let rows: Vec<SignatureRow> = store::sql(
        "select manifest_id, investigator_id, signature, signed from manifest_signature
         where manifest_id = any($1) order by manifest_id, signed, investigator_id",
    )
    .bind::<Array<BigInt>, _>(manifests)
    .load(conn)
    .await?;
    let signature = |row: SignatureRow| Signature {
        signer: InvestigatorId(row.investigator_id),
        line: row.signature,
        signed: row.signed,
    };
    Ok(rows.into_iter().map(|row| (ManifestId(row.manifest_id), signature(row))).collect())
}

/// Stores a signature; tells whether its maker had not signed yet.
pub(crate) async fn signature_insert(
    conn: &mut Conn,
    manifest: ManifestId,
    signature: &Signature,
) -> QueryResult<bool> {
    let stored = store::sql(
        "insert into manifest_signature (manifest_id, investigator_id, signature, signed)
         values ($1, $2, $3, $4) on conflict do nothing",
    )
    .bind::<BigInt, _>(manifest.0)
    .bind::<BigInt, _>(signature.signer.0)
    .bind::<Text, _>(&signature.line)
    .bind::<Timestamptz, _>(signature.signed)
    .execute(conn)
    .await?;
    Ok(stored == 1)
}

/// Forgets all signatures of a manifest.
pub(crate) async fn signatures_delete(conn: &mut Conn, manifest: ManifestId) -> QueryResult<usize> {
    store::sql("delete from manifest_signature where manifest_id = $1")
        .bind::<BigInt, _>(manifest.0)
        .execute(conn)
        .await
}

/// Gives up to `limit` manifests, the newest first, from below `before` on, that are not disabled and signed: by one of
/// `signers`, or by anyone when that is empty.
pub(crate) async fn manifests_signed(
    conn: &mut Conn,
    signers: &[i64],
    before: i64,
    limit: i64,
) -> QueryResult<Vec<ManifestId>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let rows: Vec<Row> = store::sql(
        "select id from manifest m where status <> 'disabled' and id < $2
             and exists (select from manifest_signature s where s.manifest_id = m.id
                 and (cardinality($1) = 0 or s.investigator_id = any($1)))
         order by id desc limit $3",
    )
    .bind::<Array<BigInt>, _>(signers)
    .bind::<BigInt, _>(before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| ManifestId(row.id)).collect())
}
