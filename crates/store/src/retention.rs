//! Removing what is old, a little at a time, so that no transaction is long.

use crate::{Conn, sql};
use diesel::sql_types::{Array, BigInt, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use time::OffsetDateTime;

/// How many parts one transaction removes.
const AT_ONCE: i64 = 5_000;

/// Says what is old, and which rows are its many parts.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Selects the `id` of what was over before `$1`, `$2` at most.
    pub old: &'static str,
    /// The table of the parts, with a column `id`.
    pub parts: &'static str,
    /// The column that tells whose part a row is.
    pub owner: &'static str,
}

impl Retention {
    /// Removes the parts of up to `limit` things that were over before `before`; gives the things, which may go now.
    pub async fn strip(
        &self,
        conn: &mut Conn,
        before: OffsetDateTime,
        limit: i64,
    ) -> QueryResult<Vec<i64>> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            id: i64,
        }
        let Self { old, parts, owner } = self;
        let rows: Vec<Row> =
            sql(*old).bind::<Timestamptz, _>(before).bind::<BigInt, _>(limit).load(conn).await?;
        let old: Vec<i64> = rows.into_iter().map(|row| row.id).collect();
        if old.is_empty() {
            return Ok(old);
        }
        let statement = format!(
            "delete from {parts} where id in (select id from {parts} where {owner} = any($1) limit $2)"
        );
        loop {
            let remove = sql(statement.as_str())
                .bind::<Array<BigInt>, _>(old.as_slice())
                .bind::<BigInt, _>(AT_ONCE);
            if remove.execute(conn).await? == 0 {
                return Ok(old);
            }
        }
    }
}
