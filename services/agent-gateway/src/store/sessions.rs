//! Who is signed in at the page where devices are admitted; the secret is kept as SHA-256 only.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bytea, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::InvestigatorId;

/// Is who signed in, and with which API key.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The investigator.
    pub investigator: InvestigatorId,
    /// The hash of the API key; a session ends with it.
    pub api_key_sha256: String,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    investigator: i64,
    #[diesel(sql_type = Text)]
    api_key_sha256: String,
}

/// Stores a session and forgets those that are over.
pub(crate) async fn session_insert(
    conn: &mut Conn,
    sha256: &[u8; 32],
    session: &Session,
    now: OffsetDateTime,
    expires: OffsetDateTime,
) -> QueryResult<()> {
    store::sql("delete from page_session where expires <= $1")
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
    store::sql(
        "insert into page_session (sha256, investigator, api_key_sha256, expires) values ($1, $2, $3, $4)",
    )
    .bind::<Bytea, _>(sha256.as_slice())
    .bind::<BigInt, _>(session.investigator.0)
    .bind::<Text, _>(&session.api_key_sha256)
    .bind::<Timestamptz, _>(expires)
    .execute(conn)
    .await
    .map(drop)
}

/// Gives a session that is not over.
pub(crate) async fn session_find(
    conn: &mut Conn,
    sha256: &[u8; 32],
    now: OffsetDateTime,
) -> QueryResult<Option<Session>> {
    let query =
        "select investigator, api_key_sha256 from page_session where sha256 = $1 and expires > $2";
    let found: Option<Row> = store::sql(query)
        .bind::<Bytea, _>(sha256.as_slice())
        .bind::<Timestamptz, _>(now)
        .get_result(conn)
        .await
        .optional()?;
    Ok(found.map(|row| Session {
        investigator: InvestigatorId(row.investigator),
        api_key_sha256: row.api_key_sha256,
    }))
}

/// Ends a session.
pub(crate) async fn session_end(conn: &mut Conn, sha256: &[u8; 32]) -> QueryResult<usize> {
    store::sql("delete from page_session where sha256 = $1")
        .bind::<Bytea, _>(sha256.as_slice())
        .execute(conn)
        .await
}
