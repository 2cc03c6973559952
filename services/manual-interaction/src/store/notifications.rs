//! The table `notification`: what is to be told outside of the house.

use super::Number;
use diesel::sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::{Duration, OffsetDateTime};
use types::StepRunId;
use types::api::step::StepNotification;

const COLUMNS: &str =
    "id, seq, step, event, channel, body, state, attempts, created, since, due, sent, error";

/// Is a notification as it is kept.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct Notification {
    #[diesel(sql_type = Uuid)]
    pub(crate) id: uuid::Uuid,
    #[diesel(sql_type = BigInt)]
    pub(crate) seq: i64,
    #[diesel(sql_type = Uuid)]
    pub(crate) step: uuid::Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) event: String,
    #[diesel(sql_type = Text)]
    pub(crate) channel: String,
    #[diesel(sql_type = Text)]
    pub(crate) body: String,
    #[diesel(sql_type = Text)]
    pub(crate) state: String,
    #[diesel(sql_type = Integer)]
    pub(crate) attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) created: OffsetDateTime,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) since: OffsetDateTime,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) due: OffsetDateTime,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub(crate) sent: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) error: Option<String>,
}

impl From<Notification> for StepNotification {
    fn from(row: Notification) -> Self {
        Self {
            id: row.id,
            step: StepRunId(row.step),
            event: row.event,
            channel: row.channel,
            state: row.state,
            attempts: row.attempts,
            created: row.created,
            due: row.due,
            sent: row.sent,
            error: row.error,
        }
    }
}

/// Is a notification that is new.
#[derive(Debug, Clone)]
pub(crate) struct New<'a> {
    pub(crate) id: uuid::Uuid,
    pub(crate) step: StepRunId,
    pub(crate) event: &'a str,
    pub(crate) channel: &'a str,
    pub(crate) body: String,
}

/// Inserts notifications that are due at once, in their order.
pub(crate) async fn notifications_insert(
    conn: &mut Conn,
    new: &[New<'_>],
    now: OffsetDateTime,
) -> QueryResult<()> {
    if new.is_empty() {
        return Ok(());
    }
    store::sql(
        "insert into notification (id, step, event, channel, body, state, created, since, due)
         select id, step, event, channel, body, 'waiting', $6, $6, $6
         from unnest($1, $2, $3, $4, $5) with ordinality given (id, step, event, channel, body, place)
         order by place",
    )
    .bind::<Array<Uuid>, _>(new.iter().map(|new| new.id).collect::<Vec<_>>())
    .bind::<Array<Uuid>, _>(new.iter().map(|new| new.step.0).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(new.iter().map(|new| new.event).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(new.iter().map(|new| new.channel).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(new.iter().map(|new| new.body.as_str()).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await
    .map(drop)
}

/// Takes up to `limit` notifications of a channel that are due, for as long as `lease`: whoever dies with them lets go.
pub(crate) async fn notifications_take(
    conn: &mut Conn,
    channel: &str,
    now: OffsetDateTime,
    lease: Duration,
    limit: i64,
) -> QueryResult<Vec<Notification>> {
    let mut taken: Vec<Notification> = store::sql(format!(
        "update notification set attempts = attempts + 1, due = $3 where id in
           (select id from notification where channel = $1 and state = 'waiting' and due <= $2
            order by due, seq limit $4 for update skip locked)
         returning {COLUMNS}"
    ))
    .bind::<Text, _>(channel)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + lease)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    taken.sort_by_key(|notification| notification.seq);
    Ok(taken)
}

/// Tells whether anything was sent on a channel after `after`.
pub(crate) async fn notification_sent_after(
    conn: &mut Conn,
    channel: &str,
    after: OffsetDateTime,
) -> QueryResult<bool> {
    let found: Number = store::sql(
        "select count(*) as number from (select 1 from notification where channel = $1 and sent > $2 limit 1) one",
    )
    .bind::<Text, _>(channel)
    .bind::<Timestamptz, _>(after)
    .get_result(conn)
    .await?;
    Ok(found.number > 0)
}

/// Notes that notifications were sent; `error` says to whom they could not be.
pub(crate) async fn notifications_sent(
    conn: &mut Conn,
    ids: &[uuid::Uuid],
    error: Option<&str>,
    now: OffsetDateTime,
) -> QueryResult<usize> {
    store::sql(
        "update notification set state = 'sent', sent = $2, error = $3 where id = any($1) and state = 'waiting'",
    )
    .bind::<Array<Uuid>, _>(ids)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<Text>, _>(error)
    .execute(conn)
    .await
}

/// Notes that a notification could not be sent; it is tried again at `due`, or never.
pub(crate) async fn notification_failed(
    conn: &mut Conn,
    id: uuid::Uuid,
    error: &str,
    due: Option<OffsetDateTime>,
) -> QueryResult<usize> {
    store::sql(
        "update notification set error = $2, due = coalesce($3, due),
             state = case when $3 is null then 'dead' else 'waiting' end
         where id = $1 and state = 'waiting'",
    )
    .bind::<Uuid, _>(id)
    .bind::<Text, _>(error)
    .bind::<Nullable<Timestamptz>, _>(due)
    .execute(conn)
    .await
}

/// Lets a notification be sent again, as if it were new.
pub(crate) async fn notification_replay(
    conn: &mut Conn,
    id: uuid::Uuid,
    now: OffsetDateTime,
) -> QueryResult<Option<Notification>> {
    let rows: Vec<Notification> = store::sql(format!(
        "update notification set state = 'waiting', attempts = 0, since = $2, due = $2, sent = null, error = null
         where id = $1 returning {COLUMNS}"
    ))
    .bind::<Uuid, _>(id)
    .bind::<Timestamptz, _>(now)
    .load(conn)
    .await?;
    Ok(rows.into_iter().next())
}

/// Gives up to `limit` notifications, newest first, from below `before` on.
pub(crate) async fn notifications_page(
    conn: &mut Conn,
    state: Option<&str>,
    before: i64,
    limit: i64,
) -> QueryResult<Vec<Notification>> {
    let wanted = if state.is_some() { "state = $3" } else { "$3 is null" };
    store::sql(format!(
        "select {COLUMNS} from notification where seq < $1 and {wanted} order by seq desc limit $2"
    ))
    .bind::<BigInt, _>(before)
    .bind::<BigInt, _>(limit)
    .bind::<Nullable<Text>, _>(state)
    .load(conn)
    .await
}

/// Counts the notifications that wait, and those that could not be delivered.
pub(crate) async fn notifications_count(conn: &mut Conn, state: &str) -> QueryResult<i64> {
    let counted: Number =
        store::sql("select count(*) as number from notification where state = $1")
            .bind::<Text, _>(state)
            .get_result(conn)
            .await?;
    Ok(counted.number)
}
