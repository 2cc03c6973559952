//! Which messages a consumer has taken.

use diesel::QueryResult;
use diesel::sql_types::{Array, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use std::collections::HashSet;
use store::{Conn, sql};
use time::OffsetDateTime;
use uuid::Uuid;

#[derive(diesel::QueryableByName)]
struct Admitted {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    message_id: Uuid,
}

/// Notes `ids` as taken by `consumer` and gives those that it had not taken before.
///
/// To be called inside the transaction that has the effect: both become durable, or neither. A message that another
/// process is taking at this moment is waited for, and is then not new.
pub async fn admit(
    conn: &mut Conn,
    consumer: &str,
    ids: &[Uuid],
    now: OffsetDateTime,
) -> QueryResult<HashSet<Uuid>> {
    // in one order, so that two processes that take the same messages cannot lock each other out
    let admitted = sql("insert into messaging.inbox (consumer, message_id, received)
         select $1, id, $3 from unnest($2) as id order by id
         on conflict do nothing returning message_id")
    .bind::<Text, _>(consumer)
    .bind::<Array<diesel::sql_types::Uuid>, _>(ids)
    .bind::<Timestamptz, _>(now)
    .load::<Admitted>(conn)
    .await?;
    Ok(admitted.into_iter().map(|row| row.message_id).collect())
}

/// Forgets at most `limit` messages that were taken before `before`; tells how many.
pub(crate) async fn forget(
    conn: &mut Conn,
    before: OffsetDateTime,
    limit: i64,
) -> QueryResult<usize> {
    sql("delete from messaging.inbox where (consumer, message_id) in
           (select consumer, message_id from messaging.inbox where received < $1
            order by received limit $2 for update skip locked)")
    .bind::<Timestamptz, _>(before)
    .bind::<diesel::sql_types::BigInt, _>(limit)
    .execute(conn)
    .await
}
