//! The table `command_count`: commands of an action by state, kept in step with `command`.

use diesel::sql_types::{Array, BigInt, Text};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use std::collections::BTreeMap;
use store::Conn;

/// Ends a statement whose CTE `moved(action_id, before, after)` tells which commands changed state (`before` is null
/// for new ones): writes the counts.
pub(super) const COUNT_MOVED: &str = "
    delta as (select action_id, status, sum(change) as change from (
            select action_id, before as status, -1 as change from moved where before is not null
            union all select action_id, after, 1 from moved) as changes
        group by action_id, status),
    counted as (insert into command_count as kept (action_id, status, count)
        select action_id, status, change from delta where change <> 0 order by action_id, status
        on conflict (action_id, status) do update set count = kept.count + excluded.count returning 1)
    select count(*) as count from moved";

#[derive(Debug, QueryableByName)]
pub(super) struct Moved {
    #[diesel(sql_type = BigInt)]
    pub(super) count: i64,
}

#[derive(Debug, QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    action_id: i64,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Gives the counts of these actions by state.
pub(crate) async fn counts_find(
    conn: &mut Conn,
    actions: &[i64],
) -> QueryResult<BTreeMap<i64, Vec<(String, i64)>>> {
    let rows: Vec<CountRow> =
        store::sql("select action_id, status, count from command_count where action_id = any($1)")
            .bind::<Array<BigInt>, _>(actions)
            .get_results(conn)
            .await?;
    let mut counts = BTreeMap::<i64, Vec<_>>::new();
    for row in rows {
        counts.entry(row.action_id).or_default().push((row.status, row.count));
    }
    Ok(counts)
}
