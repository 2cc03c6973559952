//! The table `step_event`: who did what with a step.

use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use store::Conn;
use time::OffsetDateTime;
use types::api::step::StepEvent;
use types::{InvestigatorId, StepRunId};

/// Is one who does something, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Actor {
    /// The name; `anonymous` where nobody has to say who they are.
    pub(crate) name: String,
    /// The number.
    pub(crate) investigator: Option<InvestigatorId>,
    /// The address.
    pub(crate) address: String,
    /// The way in: `soarca`, `api` or `page`.
    pub(crate) channel: &'static str,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Timestamptz)]
    at: OffsetDateTime,
    #[diesel(sql_type = Text)]
    what: String,
    #[diesel(sql_type = Nullable<Text>)]
    by: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    investigator: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    address: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    channel: Option<String>,
    #[diesel(sql_type = Text)]
    text: String,
}

/// Notes what somebody did with a step.
pub(crate) async fn event_insert(
    conn: &mut Conn,
    step: StepRunId,
    now: OffsetDateTime,
    (what, text): (&str, &str),
    actor: &Actor,
) -> QueryResult<()> {
    store::sql(
        "insert into step_event (step, at, what, text, by, investigator, address, channel)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind::<Uuid, _>(step.0)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(what)
    .bind::<Text, _>(text)
    .bind::<Text, _>(&actor.name)
    .bind::<Nullable<BigInt>, _>(actor.investigator.map(|id| id.0))
    .bind::<Text, _>(&actor.address)
    .bind::<Text, _>(actor.channel)
    .execute(conn)
    .await
    .map(drop)
}

/// Is what happened to a step by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) step: StepRunId,
    pub(crate) at: OffsetDateTime,
    pub(crate) what: &'a str,
    pub(crate) text: &'a str,
}

/// Notes what happened to steps without anybody doing it.
pub(crate) async fn events_insert(conn: &mut Conn, events: &[Event<'_>]) -> QueryResult<()> {
    if events.is_empty() {
        return Ok(());
    }
    store::sql(
        "insert into step_event (step, at, what, text)
         select step, at, what, text from unnest($1, $2, $3, $4) with ordinality event (step, at, what, text, place)
         order by place",
    )
    .bind::<Array<Uuid>, _>(events.iter().map(|event| event.step.0).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(events.iter().map(|event| event.at).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(events.iter().map(|event| event.what).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(events.iter().map(|event| event.text).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map(drop)
}

/// Gives the latest `limit` events of a step, oldest first.
pub(crate) async fn events_of(
    conn: &mut Conn,
    step: StepRunId,
    limit: i64,
) -> QueryResult<Vec<StepEvent>> {
    let rows: Vec<Row> = store::sql(
        "select at, what, by, investigator, address, channel, text from
           (select * from step_event where step = $1 order by id desc limit $2) latest order by id",
    )
    .bind::<Uuid, _>(step.0)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    let event = |row: Row| StepEvent {
        at: row.at,
        what: row.what,
        by: row.by,
        investigator: row.investigator.map(InvestigatorId),
        address: row.address,
        channel: row.channel,
        text: row.text,
    };
    Ok(rows.into_iter().map(event).collect())
}
