//! The table `run`.

use crate::domain::order::Order;
use crate::domain::run::RunStatus;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension, QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::{Duration, OffsetDateTime};
use types::ActionId;
use types::messages::ActionChanged;
use types::messages::action::RunCounters;

/// Says how long a change of a run may wait to be told, so that a busy run tells at most four a second.
pub(crate) const PUBLISH_EVERY: Duration = Duration::milliseconds(250);

const COLUMNS: &str = "action_id, document, target, modules, valid_from, expire_after, status, reason, targeted, \
     success, failed, timeout, expired, cancelled, started, finished, version";

#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct RunRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) action_id: i64,
    #[diesel(sql_type = Text)]
    pub(crate) document: String,
    #[diesel(sql_type = Text)]
    pub(crate) target: String,
    #[diesel(sql_type = Array<Text>)]
    pub(crate) modules: Vec<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) expire_after: OffsetDateTime,
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) reason: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub(crate) targeted: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) success: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) failed: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) timeout: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) expired: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) cancelled: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) started: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) finished: Option<OffsetDateTime>,
    #[diesel(sql_type = BigInt)]
    pub(crate) version: i64,
}

impl RunRow {
    pub(crate) fn changed(&self, at: OffsetDateTime) -> ActionChanged {
        ActionChanged {
            id: ActionId(self.action_id),
            status: self.status.clone(),
            reason: self.reason.clone(),
            counters: RunCounters {
                targeted: self.targeted,
                success: self.success,
                failed: self.failed,
                timeout: self.timeout,
                expired: self.expired,
                cancelled: self.cancelled,
            },
            started: self.started,
            finished: self.finished,
            at,
            version: self.version,
        }
    }
}

/// Inserts a run once; gives it unless it was there.
pub(crate) async fn run_insert(
    conn: &mut Conn,
    id: ActionId,
    document: &str,
    order: &Order,
    refused: Option<&str>,
    now: OffsetDateTime,
) -> QueryResult<Option<RunRow>> {
    let status = if refused.is_some() { RunStatus::Invalid } else { RunStatus::Pending };
    store::sql(format!(
        "insert into run (action_id, document, target, modules, valid_from, expire_after, status, reason, created,
             finished, published)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, case when $7 = 'invalid' then $9 end, $9)
         on conflict (action_id) do nothing returning {COLUMNS}"
    ))
    .bind::<BigInt, _>(id.0)
    .bind::<Text, _>(document)
    .bind::<Text, _>(&order.target)
    .bind::<Array<Text>, _>(&order.modules)
    .bind::<Timestamptz, _>(order.valid_from)
    .bind::<Timestamptz, _>(order.expire_after)
    .bind::<Text, _>(status.name())
    .bind::<Nullable<Text>, _>(refused)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()
}

/// Locks the run that is due for the longest time and that nobody else holds.
pub(crate) async fn run_claim_due(
    conn: &mut Conn,
    now: OffsetDateTime,
) -> QueryResult<Option<RunRow>> {
    store::sql(format!(
        "select {COLUMNS} from run where status = 'pending' and valid_from <= $1
         order by valid_from limit 1 for update skip locked"
    ))
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()
}

/// Locks a run whose time is over and that is still open.
pub(crate) async fn run_claim_over(
    conn: &mut Conn,
    now: OffsetDateTime,
) -> QueryResult<Option<RunRow>> {
    store::sql(format!(
        "select {COLUMNS} from run where status in ('pending', 'inflight') and expire_after < $1
         order by expire_after limit 1 for update skip locked"
    ))
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()
}

/// Locks one run.
pub(crate) async fn run_lock(conn: &mut Conn, id: ActionId) -> QueryResult<Option<RunRow>> {
    store::sql(format!("select {COLUMNS} from run where action_id = $1 for update"))
        .bind::<BigInt, _>(id.0)
        .get_result(conn)
        .await
        .optional()
}

/// Locks the runs of these commands, before the commands themselves: whoever ends a run does so in this order.
pub(crate) async fn runs_lock(conn: &mut Conn, commands: &[i64]) -> QueryResult<usize> {
    store::sql(
        "select from run where action_id in (select action_id from command where id = any($1))
         order by action_id for update",
    )
    .bind::<Array<BigInt>, _>(commands)
    .execute(conn)
    .await
}

/// Writes where a run is now, with its counters, and takes it as told.
pub(crate) async fn run_update(
    conn: &mut Conn,
    run: &RunRow,
    now: OffsetDateTime,
) -> QueryResult<RunRow> {
    store::sql(format!(
        "update run set status = $2, reason = $3, targeted = $4, success = $5, failed = $6, timeout = $7,
             expired = $8, cancelled = $9, started = $10, finished = $11, version = version + 1,
             published = $12, unpublished = false
         where action_id = $1 returning {COLUMNS}"
    ))
    .bind::<BigInt, _>(run.action_id)
    .bind::<Text, _>(&run.status)
    .bind::<Nullable<Text>, _>(&run.reason)
    .bind::<BigInt, _>(run.targeted)
    .bind::<BigInt, _>(run.success)
    .bind::<BigInt, _>(run.failed)
    .bind::<BigInt, _>(run.timeout)
    .bind::<BigInt, _>(run.expired)
    .bind::<BigInt, _>(run.cancelled)
    .bind::<Nullable<Timestamptz>, _>(run.started)
    .bind::<Nullable<Timestamptz>, _>(run.finished)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
}

/// Takes the runs whose last changes were not told yet and may be told now.
pub(crate) async fn run_take_unpublished(
    conn: &mut Conn,
    now: OffsetDateTime,
) -> QueryResult<Vec<RunRow>> {
    store::sql(format!(
        "update run set published = $1, unpublished = false
         where action_id in (select action_id from run where unpublished and published <= $2
             order by published limit 200 for update skip locked)
         returning {COLUMNS}"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now - PUBLISH_EVERY)
    .get_results(conn)
    .await
}
