//! The table `run`.

pub(crate) use super::run_row::{COLUMNS, RunRow};
use crate::domain::order::Order;
use crate::domain::run::RunStatus;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz};
use diesel::{OptionalExtension, QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::{Duration, OffsetDateTime};
use types::ActionId;

/// Says how long a change of a run may wait to be told, so that a busy run tells at most four a second.
pub(crate) const PUBLISH_EVERY: Duration = Duration::milliseconds(250);

/// Inserts a run once; gives it unless it was there. One that is over from the beginning has its status and the reason.
pub(crate) async fn run_insert(
    conn: &mut Conn,
    id: ActionId,
    document: &str,
    order: &Order,
    over: Option<(RunStatus, &str)>,
    now: OffsetDateTime,
) -> QueryResult<Option<RunRow>> {
    let (status, reason) = over.unzip();
    let status = status.unwrap_or(RunStatus::Pending);
    let dispatch = order.dispatch.as_ref().and_then(|asked| serde_json::to_value(asked).ok());
    store::sql(format!(
        "insert into run (action_id, document, target, modules, valid_from, expire_after, status, reason, created,
             finished, published, dispatch)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, case when $7 <> 'pending' then $9 end, $9, $10)
         on conflict (action_id) do nothing returning {COLUMNS}"
    ))
    .bind::<BigInt, _>(id.0)
    .bind::<Text, _>(document)
    .bind::<Text, _>(&order.target)
    .bind::<Array<Text>, _>(&order.modules)
    .bind::<Timestamptz, _>(order.valid_from)
    .bind::<Timestamptz, _>(order.expire_after)
    .bind::<Text, _>(status.name())
    .bind::<Nullable<Text>, _>(reason)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<Jsonb>, _>(dispatch)
    .get_result(conn)
    .await
    .optional()
}

/// Is what a run was ordered to do.
#[derive(Debug, QueryableByName)]
pub(crate) struct OrderRow {
    #[diesel(sql_type = Text)]
    pub(crate) document: String,
    #[diesel(sql_type = Text)]
    pub(crate) target: String,
    #[diesel(sql_type = Array<Text>)]
    pub(crate) modules: Vec<String>,
}

/// Gives what a run was ordered to do.
pub(crate) async fn run_order(conn: &mut Conn, id: i64) -> QueryResult<OrderRow> {
    store::sql("select document, target, modules from run where action_id = $1")
        .bind::<BigInt, _>(id)
        .get_result(conn)
        .await
}

/// Keeps whose work a run is.
pub(crate) async fn run_keep_trace(
    conn: &mut Conn,
    id: ActionId,
    trace: &str,
) -> QueryResult<usize> {
    store::sql("update run set traceparent = $2 where action_id = $1")
        .bind::<BigInt, _>(id.0)
        .bind::<Text, _>(trace)
        .execute(conn)
        .await
}

/// Locks the run that is due for the longest time and that nobody else holds.
pub(crate) async fn run_claim_due(
    conn: &mut Conn,
    now: OffsetDateTime,
) -> QueryResult<Option<RunRow>> {
    claim(conn, ("status = 'pending' and valid_from <= $1", "valid_from"), now).await
}

/// Locks the run that is to be looked at for the longest time, for more commands to be given out, and that nobody else
/// holds.
pub(crate) async fn run_claim_held(
    conn: &mut Conn,
    now: OffsetDateTime,
) -> QueryResult<Option<RunRow>> {
    claim(conn, ("look is not null and look <= $1", "look"), now).await
}

/// Locks a run whose time is over and that is still open.
pub(crate) async fn run_claim_over(
    conn: &mut Conn,
    now: OffsetDateTime,
) -> QueryResult<Option<RunRow>> {
    let over = "status in ('pending', 'inflight', 'paused') and expire_after < $1";
    claim(conn, (over, "expire_after"), now).await
}

async fn claim(
    conn: &mut Conn,
    which: (&str, &str),
    now: OffsetDateTime,
) -> QueryResult<Option<RunRow>> {
    let (which, order) = which;
    // what never failed comes first: however long a failure takes, it holds up no other
    store::sql(format!(
        "select {COLUMNS} from run where {which} and (put_off is null or put_off <= $1)
         order by put_off nulls first, {order} limit 1 for update skip locked"
    ))
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()
}

/// Has a run passed over until then, after its commands could not be made `tries` times more.
pub(crate) async fn run_put_off(
    conn: &mut Conn,
    id: i64,
    until: OffsetDateTime,
    tries: i32,
) -> QueryResult<usize> {
    store::sql("update run set put_off = $2, tries = tries + $3 where action_id = $1")
        .bind::<BigInt, _>(id)
        .bind::<Timestamptz, _>(until)
        .bind::<Integer, _>(tries)
        .execute(conn)
        .await
}

/// Locks one run.
pub(crate) async fn run_lock(conn: &mut Conn, id: ActionId) -> QueryResult<Option<RunRow>> {
    store::sql(format!("select {COLUMNS} from run where action_id = $1 for update"))
        .bind::<BigInt, _>(id.0)
        .get_result(conn)
        .await
        .optional()
}

/// Locks one run, unless whoever holds it does so for longer than that: the transaction fails then, and its error says
/// that it is held up.
pub(crate) async fn run_lock_within(
    conn: &mut Conn,
    id: ActionId,
    patience: Duration,
) -> QueryResult<Option<RunRow>> {
    lock_timeout(conn, patience).await?;
    let run = run_lock(conn, id).await?;
    lock_timeout(conn, Duration::ZERO).await?;
    Ok(run)
}

/// Has this transaction wait for locks no longer than that; without limit when that is nothing.
async fn lock_timeout(conn: &mut Conn, most: Duration) -> QueryResult<usize> {
    store::sql("select set_config('lock_timeout', $1, true)")
        .bind::<Text, _>(most.whole_milliseconds().to_string())
        .execute(conn)
        .await
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

/// Says how soon a change is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// In this transaction.
    Now,
    /// Unless another change was told a moment ago; then by [`run_take_unpublished`].
    Soon,
}

/// Writes where a run is now, with its counters; it is to be told now unless it says that it is unpublished. It is no
/// longer passed over, as something went well with it.
pub(crate) async fn run_update(
    conn: &mut Conn,
    run: &RunRow,
    tell: Tell,
    now: OffsetDateTime,
) -> QueryResult<RunRow> {
    let (counters, dispatch) = (run.counters(), &run.dispatch);
    store::sql(format!(
        "update run set status = $2, reason = $3, targeted = $4, success = $5, failed = $6, timeout = $7,
             expired = $8, cancelled = $9, started = $10, finished = $11, version = version + 1,
             published = case when $23 or published <= $13 then $12 else published end,
             unpublished = not $23 and published > $13,
             held = $14, wave = $15, wave_left = $16, paced = $17, look = $18, steered = $19, forgiven_done = $20,
             forgiven_failed = $21, forgiven_timeout = $22, forgiven_lost = $24, put_off = null
         where action_id = $1 returning {COLUMNS}"
    ))
    .bind::<BigInt, _>(run.action_id)
    .bind::<Text, _>(&run.status)
    .bind::<Nullable<Text>, _>(&run.reason)
    .bind::<BigInt, _>(counters.targeted)
    .bind::<BigInt, _>(counters.success)
    .bind::<BigInt, _>(counters.failed)
    .bind::<BigInt, _>(counters.timeout)
    .bind::<BigInt, _>(counters.expired)
    .bind::<BigInt, _>(counters.cancelled)
    .bind::<Nullable<Timestamptz>, _>(run.started)
    .bind::<Nullable<Timestamptz>, _>(run.finished)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now - PUBLISH_EVERY)
    .bind::<BigInt, _>(dispatch.held)
    .bind::<BigInt, _>(dispatch.wave)
    .bind::<BigInt, _>(dispatch.wave_left)
    .bind::<Nullable<Timestamptz>, _>(dispatch.paced)
    .bind::<Nullable<Timestamptz>, _>(dispatch.look)
    .bind::<Nullable<Timestamptz>, _>(dispatch.steered)
    .bind::<BigInt, _>(dispatch.forgiven_done)
    .bind::<BigInt, _>(dispatch.forgiven_failed)
    .bind::<BigInt, _>(dispatch.forgiven_timeout)
    .bind::<Bool, _>(tell == Tell::Now)
    .bind::<BigInt, _>(dispatch.forgiven_lost)
    .get_result(conn)
    .await
}

/// Notes when a run is to be looked at again; it is no longer passed over.
pub(crate) async fn run_look(
    conn: &mut Conn,
    id: i64,
    at: Option<OffsetDateTime>,
) -> QueryResult<usize> {
    store::sql("update run set look = $2, put_off = null where action_id = $1")
        .bind::<BigInt, _>(id)
        .bind::<Nullable<Timestamptz>, _>(at)
        .execute(conn)
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

/// Is how many runs of one status are open, and their commands.
#[derive(Debug, QueryableByName)]
pub(crate) struct OpenRow {
    #[diesel(sql_type = Text)]
    pub(crate) status: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) actions: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) held: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) sent: i64,
    /// When the first of them was due.
    #[diesel(sql_type = Timestamptz)]
    pub(crate) first: OffsetDateTime,
}

/// Counts what is open.
pub(crate) const RUNS_OPEN: &str = "
    select status, count(*) as actions, sum(held)::bigint as held,
        sum(targeted - held - success - failed - timeout - expired - cancelled)::bigint as sent,
        min(valid_from) as first
    from run where status in ('pending', 'inflight', 'paused') group by status";

/// Counts what is open, by the status of the run.
pub(crate) async fn runs_open(conn: &mut Conn) -> QueryResult<Vec<OpenRow>> {
    store::sql(RUNS_OPEN).load(conn).await
}
