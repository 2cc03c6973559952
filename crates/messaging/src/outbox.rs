//! The outbox: messages that are as durable as the effect they tell of, until the broker has them.

use crate::body::Packed;
use crate::trace::TraceContext;
use diesel::QueryResult;
use diesel::sql_types::{
    Array, BigInt, Binary, Bool, Double, Integer, Nullable, Text, Timestamptz,
};
use diesel_async::RunQueryDsl;
use store::{Conn, sql};
use time::OffsetDateTime;
use uuid::Uuid;

/// How many rows one statement writes, or takes, at most.
pub(crate) const AT_ONCE: usize = 200;
/// How many bytes of bodies are taken at once, but for a first row that is larger alone.
const BYTES_AT_ONCE: i64 = 8 * 1024 * 1024;

/// Is one message that waits to be published.
#[derive(Debug, diesel::QueryableByName)]
pub(crate) struct Row {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    pub(crate) message_id: Uuid,
    #[diesel(sql_type = Text)]
    pub(crate) kind: String,
    #[diesel(sql_type = Binary)]
    pub(crate) body: Vec<u8>,
    #[diesel(sql_type = Bool)]
    pub(crate) gzip: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) traceparent: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) tracestate: Option<String>,
    #[diesel(sql_type = Timestamptz)]
    pub(crate) created: OffsetDateTime,
    #[diesel(sql_type = Integer)]
    pub(crate) attempts: i32,
}

/// Is how much waits, and since when.
#[derive(Debug, Clone, Copy, PartialEq, diesel::QueryableByName)]
pub(crate) struct Pending {
    #[diesel(sql_type = BigInt)]
    pub(crate) count: i64,
    #[diesel(sql_type = Double)]
    pub(crate) oldest_seconds: f64,
}

/// Writes messages of one kind with their traces, in their order.
pub(crate) async fn insert<'a>(
    conn: &mut Conn,
    kind: &str,
    now: OffsetDateTime,
    mut messages: impl Iterator<Item = ((Uuid, Packed), &'a TraceContext)>,
) -> QueryResult<()> {
    loop {
        let (mut ids, mut bodies, mut gzips) = (Vec::new(), Vec::new(), Vec::new());
        let (mut parents, mut states) = (Vec::new(), Vec::new());
        for ((id, body), trace) in messages.by_ref().take(AT_ONCE) {
            ids.push(id);
            bodies.push(body.bytes);
            gzips.push(body.gzip);
            parents.push(trace.parent.as_deref());
            states.push(trace.state.as_deref());
        }
        if ids.is_empty() {
            return Ok(());
        }
        sql("insert into messaging.outbox (message_id, kind, body, gzip, traceparent, tracestate, created)
             select id, $6, body, gzip, parent, state, $7
             from unnest($1, $2, $3, $4, $5) with ordinality as message (id, body, gzip, parent, state, place)
             order by place")
        .bind::<Array<diesel::sql_types::Uuid>, _>(ids)
        .bind::<Array<Binary>, _>(bodies)
        .bind::<Array<Bool>, _>(gzips)
        .bind::<Array<Nullable<Text>>, _>(parents)
        .bind::<Array<Nullable<Text>>, _>(states)
        .bind::<Text, _>(kind)
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
    }
}

/// Takes the rows that are due, oldest first, and locks them until the transaction's end; rows that another relay holds
/// are passed over.
pub(crate) async fn take(conn: &mut Conn) -> QueryResult<Vec<Row>> {
    sql("with due as materialized (
           select id from messaging.outbox where due <= now() order by id limit $1 for update skip locked
         ), sized as (
           select outbox.*, sum(octet_length(body)) over (order by id) - octet_length(body) as before
           from messaging.outbox join due using (id)
         )
         select id, message_id, kind, body, gzip, traceparent, tracestate, created, attempts
         from sized where before < $2 order by id")
    .bind::<BigInt, _>(i64::try_from(AT_ONCE).unwrap_or(i64::MAX))
    .bind::<BigInt, _>(BYTES_AT_ONCE)
    .load(conn)
    .await
}

/// Deletes what the broker has.
pub(crate) async fn delete(conn: &mut Conn, ids: &[i64]) -> QueryResult<usize> {
    if ids.is_empty() {
        return Ok(0);
    }
    sql("delete from messaging.outbox where id = any($1)")
        .bind::<Array<BigInt>, _>(ids)
        .execute(conn)
        .await
}

/// Puts rows off: for a second at first, twice as long each time, half a minute at most.
pub(crate) async fn postpone(conn: &mut Conn, ids: &[i64]) -> QueryResult<usize> {
    if ids.is_empty() {
        return Ok(0);
    }
    sql("update messaging.outbox set attempts = attempts + 1,
           due = clock_timestamp() + least(power(2, least(attempts, 10)), 30) * interval '1 second'
         where id = any($1)")
    .bind::<Array<BigInt>, _>(ids)
    .execute(conn)
    .await
}

/// Counts what waits.
pub(crate) async fn pending(conn: &mut Conn) -> QueryResult<Pending> {
    sql("select count(*) as count,
           coalesce(extract(epoch from clock_timestamp() - min(created)), 0)::float8 as oldest_seconds
         from messaging.outbox")
    .get_result(conn)
    .await
}
