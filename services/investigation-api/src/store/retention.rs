//! Removing actions and what hangs on them.

use diesel::sql_types::{Array, BigInt, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

/// Gives up to `limit` actions whose time was over before `before`.
pub(crate) async fn actions_old(
    conn: &mut Conn,
    before: OffsetDateTime,
    limit: i64,
) -> QueryResult<Vec<i64>> {
    let rows: Vec<Id> =
        store::sql("select id from action where expire_after < $1 order by expire_after limit $2")
            .bind::<Timestamptz, _>(before)
            .bind::<BigInt, _>(limit)
            .load(conn)
            .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Removes up to `limit` commands of these actions; gives how many.
pub(crate) async fn commands_remove(
    conn: &mut Conn,
    actions: &[i64],
    limit: i64,
) -> QueryResult<usize> {
    store::sql(
        "delete from command where id in (select id from command where action_id = any($1) limit $2)",
    )
    .bind::<Array<BigInt>, _>(actions)
    .bind::<BigInt, _>(limit)
    .execute(conn)
    .await
}

/// Removes actions whose commands are gone.
pub(crate) async fn actions_remove(conn: &mut Conn, actions: &[i64]) -> QueryResult<()> {
    for statement in [
        "delete from command_count where action_id = any($1)",
        "delete from signature where action_id = any($1)",
        "delete from action where id = any($1)",
    ] {
        store::sql(statement).bind::<Array<BigInt>, _>(actions).execute(conn).await?;
    }
    Ok(())
}
