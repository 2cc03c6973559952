//! Removing runs and executions that ended long ago, with what hangs on them.

use diesel::sql_types::{Array, BigInt, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::{Conn, Retention};
use time::OffsetDateTime;
use uuid::Uuid;

const RUNS: Retention = Retention {
    old: "select action_id as id from run where expire_after < $1 and finished is not null and not unpublished
         order by expire_after limit $2",
    parts: "command",
    owner: "action_id",
};

#[derive(QueryableByName)]
struct ExecutionRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

/// Removes the commands of up to `limit` runs that ended and whose time was over before `before`; gives the runs'
/// actions.
pub(crate) async fn runs_strip(
    conn: &mut Conn,
    before: OffsetDateTime,
    limit: i64,
) -> QueryResult<Vec<i64>> {
    RUNS.strip(conn, before, limit).await
}

/// Removes runs whose commands are gone.
pub(crate) async fn runs_remove(conn: &mut Conn, actions: &[i64]) -> QueryResult<usize> {
    store::sql("delete from run where action_id = any($1)")
        .bind::<Array<BigInt>, _>(actions)
        .execute(conn)
        .await
}

/// Removes up to `limit` executions that ended before `before` and whose end was told, with the runs of their steps and
/// the documents that nobody holds on to any more; gives how many.
pub(crate) async fn executions_remove(
    conn: &mut Conn,
    before: OffsetDateTime,
    limit: i64,
) -> QueryResult<usize> {
    let rows: Vec<ExecutionRow> = store::sql(
        "select id from execution where ended < $1 and told order by ended limit $2 for update skip locked",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    let old: Vec<Uuid> = rows.into_iter().map(|row| row.id).collect();
    if old.is_empty() {
        return Ok(0);
    }
    store::sql("delete from execution_step where execution_id = any($1)")
        .bind::<Array<SqlUuid>, _>(&old)
        .execute(conn)
        .await?;
    // a statement does not see what its own parts remove, so those that go now are left out by their ids
    store::sql(
        "with gone as (delete from execution where id = any($1) returning digest)
         delete from playbook_document document using (select distinct digest from gone) as held
         where document.digest = held.digest
             and not exists (select from playbook where playbook.digest = document.digest)
             and not exists (select from execution where execution.digest = document.digest and id <> all($1))",
    )
    .bind::<Array<SqlUuid>, _>(&old)
    .execute(conn)
    .await?;
    Ok(old.len())
}
