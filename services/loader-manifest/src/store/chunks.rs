//! The table `manifest_chunk`: content in pieces, so that nobody needs to hold a file whole.

use diesel::sql_types::{Array, BigInt, Binary, Integer};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use types::ManifestId;

/// Says how many bytes a piece has, but for the last: a multiple of three, so that base64 of pieces is base64 of the
/// whole.
pub(crate) const CHUNK: usize = 48 << 10;
/// Says how many pieces one statement writes.
const AT_ONCE: usize = 64;

/// Writes the content of one file.
pub(crate) async fn chunks_insert(
    conn: &mut Conn,
    manifest: ManifestId,
    position: i32,
    content: &[u8],
) -> QueryResult<()> {
    let mut number = 0;
    for group in content.chunks(CHUNK * AT_ONCE) {
        let chunks: Vec<&[u8]> = group.chunks(CHUNK).collect();
        let numbers: Vec<i32> = (number..).take(chunks.len()).collect();
        number = numbers.last().map_or(number, |last| last + 1);
        store::sql(
            "insert into manifest_chunk (manifest_id, position, chunk, data) select $1, $2, * from unnest($3, $4)",
        )
        .bind::<BigInt, _>(manifest.0)
        .bind::<Integer, _>(position)
        .bind::<Array<Integer>, _>(numbers)
        .bind::<Array<Binary>, _>(chunks)
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// Reads one piece.
pub(crate) async fn chunk_read(
    conn: &mut Conn,
    manifest: ManifestId,
    position: i32,
    chunk: i32,
) -> QueryResult<Option<Vec<u8>>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Binary)]
        data: Vec<u8>,
    }
    let rows: Vec<Row> = store::sql(
        "select data from manifest_chunk where manifest_id = $1 and position = $2 and chunk = $3",
    )
    .bind::<BigInt, _>(manifest.0)
    .bind::<Integer, _>(position)
    .bind::<Integer, _>(chunk)
    .load(conn)
    .await?;
    Ok(rows.into_iter().next().map(|row| row.data))
}
