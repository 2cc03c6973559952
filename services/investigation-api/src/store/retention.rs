//! Removing actions and what hangs on them.

use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt};
use diesel_async::RunQueryDsl;
use store::{Conn, Retention};
use time::OffsetDateTime;

const ACTIONS: Retention = Retention {
    old: "select id from action where expire_after < $1 order by expire_after limit $2",
    parts: "command",
    owner: "action_id",
};

/// Removes the commands of up to `limit` actions whose time was over before `before`; gives the actions.
pub(crate) async fn actions_strip(
    conn: &mut Conn,
    before: OffsetDateTime,
    limit: i64,
) -> QueryResult<Vec<i64>> {
    ACTIONS.strip(conn, before, limit).await
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
