//! The table `step_event`: who did what with a step.

use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid};
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

/// Notes what happened to a step.
pub(crate) async fn event_insert(
    conn: &mut Conn,
    step: StepRunId,
    now: OffsetDateTime,
    (what, text): (&str, &str),
    actor: Option<&Actor>,
) -> QueryResult<()> {
    store::sql(
        "insert into step_event (step, at, what, text, by, investigator, address, channel)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind::<Uuid, _>(step.0)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(what)
    .bind::<Text, _>(text)
    .bind::<Nullable<Text>, _>(actor.map(|actor| actor.name.as_str()))
    .bind::<Nullable<BigInt>, _>(actor.and_then(|actor| actor.investigator).map(|id| id.0))
    .bind::<Nullable<Text>, _>(actor.map(|actor| actor.address.as_str()))
    .bind::<Nullable<Text>, _>(actor.map(|actor| actor.channel))
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
