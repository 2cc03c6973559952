//! The table `step`.
//!
//! Long because all statements over one table stand together.

use super::events::Actor;
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Write;
use store::{Conn, Value};
use time::OffsetDateTime;
use types::api::step::{StepAnswer, StepState, StepView};
use types::messages::manual::{CacaoVariable, ManualCommand, ManualOutcome};
use types::messages::{ManualRequested, ManualWithdrawn};
use types::{ExecutionId, InvestigatorId, StepRunId};

const COLUMNS: &str = "id, seq, execution_id, playbook_id, playbook_name, step_id, run, name, description, commands, \
     out_args, state, created, deadline, assignee, ended, answered_by, answered_by_id, answered_from, outcome, \
     variables";

/// Is a step without its content: enough for a list, and for what is told outside of the house.
const BRIEF: &str = "id, seq, execution_id, playbook_id, left(playbook_name, 501) as playbook_name, step_id, run, \
     left(name, 501) as name, left(description, 4001) as description, '[]'::jsonb as commands, '[]'::jsonb as out_args, \
     state, created, deadline, assignee, ended, answered_by, answered_by_id, answered_from, outcome, \
     null::jsonb as variables";

/// Is how many bytes a step's content has as text.
const SIZE: &str = "coalesce(size, octet_length(name) + octet_length(description) + octet_length(commands::text) \
     + octet_length(out_args::text) + coalesce(octet_length(variables::text), 0))::bigint";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Uuid)]
    id: uuid::Uuid,
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Uuid)]
    execution_id: uuid::Uuid,
    #[diesel(sql_type = Text)]
    playbook_id: String,
    #[diesel(sql_type = Text)]
    playbook_name: String,
    #[diesel(sql_type = Text)]
    step_id: String,
    #[diesel(sql_type = Integer)]
    run: i32,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    description: String,
    #[diesel(sql_type = Jsonb)]
    commands: Json,
    #[diesel(sql_type = Jsonb)]
    out_args: Json,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Timestamptz)]
    created: OffsetDateTime,
    #[diesel(sql_type = Timestamptz)]
    deadline: OffsetDateTime,
    #[diesel(sql_type = Nullable<Text>)]
    assignee: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    ended: Option<OffsetDateTime>,
    #[diesel(sql_type = Nullable<Text>)]
    answered_by: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    answered_by_id: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    answered_from: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    outcome: Option<String>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    variables: Option<Json>,
}

/// Is a step as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// What callers see of it.
    pub(crate) view: StepView,
    /// Its place in lists.
    pub(crate) seq: i64,
    /// When it ended.
    pub(crate) ended: Option<OffsetDateTime>,
    /// The number of who answered it.
    pub(crate) answered_by_id: Option<InvestigatorId>,
    /// From which address it was answered.
    pub(crate) answered_from: Option<String>,
}

/// Is somebody who is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Person<'a> {
    pub(crate) name: &'a str,
    /// The number; absent where nobody of the name is known.
    pub(crate) id: Option<InvestigatorId>,
}

impl Person<'_> {
    fn number(self) -> Option<i64> {
        self.id.map(|id| id.0)
    }
}

impl TryFrom<Row> for Step {
    type Error = diesel::result::Error;

    fn try_from(row: Row) -> Result<Self, Self::Error> {
        let unreadable = |error| diesel::result::Error::DeserializationError(Box::new(error));
        let commands: Vec<ManualCommand> =
            serde_json::from_value(row.commands).map_err(unreadable)?;
        let out_args: Vec<CacaoVariable> =
            serde_json::from_value(row.out_args).map_err(unreadable)?;
        let variables: BTreeMap<String, String> = match row.variables {
            Some(variables) => serde_json::from_value(variables).map_err(unreadable)?,
            None => BTreeMap::new(),
        };
        let outcome = row.outcome.as_deref().and_then(ManualOutcome::parse);
        let state = StepState::parse(&row.state).unwrap_or(StepState::Cancelled);
        let answered = state == StepState::Answered;
        Ok(Self {
            view: StepView {
                id: StepRunId(row.id),
                execution_id: ExecutionId(row.execution_id),
                playbook_id: row.playbook_id,
                playbook_name: row.playbook_name,
                step_id: row.step_id,
                run: row.run,
                name: row.name,
                description: row.description,
                commands,
                out_args,
                state,
                created: row.created,
                deadline: row.deadline,
                assignee: row.assignee,
                answered_by: row.answered_by,
                answered_at: row.ended.filter(|_| answered),
                answer: outcome.map(|outcome| StepAnswer { outcome, variables }),
            },
            seq: row.seq,
            ended: row.ended,
            answered_by_id: row.answered_by_id.map(InvestigatorId),
            answered_from: row.answered_from,
        })
    }
}

fn steps(rows: Vec<Row>) -> QueryResult<Vec<Step>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

fn first(rows: Vec<Row>) -> QueryResult<Option<Step>> {
    rows.into_iter().next().map(TryInto::try_into).transpose()
}

fn json(value: &impl serde::Serialize) -> QueryResult<Json> {
    serde_json::to_value(value)
        .map(crate::domain::text::clean_json)
        .map_err(|error| diesel::result::Error::SerializationError(error.into()))
}

/// Inserts a step that was asked for; one that was withdrawn before stays so. Tells in brief how it stands when it is new.
pub(crate) async fn step_insert(
    conn: &mut Conn,
    asked: &ManualRequested,
    due: OffsetDateTime,
    assignee_id: Option<InvestigatorId>,
) -> QueryResult<Option<Step>> {
    let clean = crate::domain::text::clean;
    let rows: Vec<Row> = store::sql(format!(
        "insert into step (id, execution_id, playbook_id, playbook_name, step_id, run, name, description, commands,
             out_args, state, created, deadline, due, assignee, assignee_id, size)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'pending', $11, $12, $13, $14, $15, octet_length($7)
             + octet_length($8) + octet_length($9::text) + octet_length($10::text))
         on conflict (id) do update set playbook_id = excluded.playbook_id, playbook_name = excluded.playbook_name,
             step_id = excluded.step_id, run = excluded.run, name = excluded.name, description = excluded.description,
             commands = excluded.commands, out_args = excluded.out_args, created = excluded.created,
             deadline = excluded.deadline, assignee = excluded.assignee, assignee_id = excluded.assignee_id,
             size = excluded.size
         where step.step_id = '' returning {BRIEF}"
    ))
    .bind::<Uuid, _>(asked.step.0)
    .bind::<Uuid, _>(asked.execution_id.0)
    .bind::<Text, _>(clean(&asked.playbook_id))
    .bind::<Text, _>(clean(&asked.playbook_name))
    .bind::<Text, _>(clean(&asked.step_id))
    .bind::<Integer, _>(asked.run)
    .bind::<Text, _>(clean(&asked.name))
    .bind::<Text, _>(clean(&asked.description))
    .bind::<Jsonb, _>(json(&asked.commands)?)
    .bind::<Jsonb, _>(json(&asked.out_args)?)
    .bind::<Timestamptz, _>(asked.created)
    .bind::<Timestamptz, _>(asked.deadline)
    .bind::<Timestamptz, _>(due)
    .bind::<Nullable<Text>, _>(asked.assignee.as_deref().map(clean))
    .bind::<Nullable<BigInt>, _>(assignee_id.map(|id| id.0))
    .load(conn)
    .await?;
    first(rows)
}

/// Withdraws steps unless they ended, whether they were asked for yet or not; gives those that are withdrawn now. None may
/// be there twice.
pub(crate) async fn steps_withdraw(
    conn: &mut Conn,
    withdrawn: &[&ManualWithdrawn],
    now: OffsetDateTime,
) -> QueryResult<Vec<StepRunId>> {
    let (steps, executions): (Vec<_>, Vec<_>) =
        withdrawn.iter().map(|gone| (gone.step.0, gone.execution_id.0)).unzip();
    let changed: Vec<Gone> = store::sql(
        "insert into step (id, execution_id, state, created, deadline, ended)
         select id, execution, 'cancelled', $3, $3, $3 from unnest($1, $2) gone (id, execution) order by id
         on conflict (id) do update set state = 'cancelled', ended = $3, due = null where step.state = 'pending'
         returning id",
    )
    .bind::<Array<Uuid>, _>(steps)
    .bind::<Array<Uuid>, _>(executions)
    .bind::<Timestamptz, _>(now)
    .load(conn)
    .await?;
    Ok(changed.into_iter().map(|gone| StepRunId(gone.id)).collect())
}

#[derive(QueryableByName)]
struct Gone {
    #[diesel(sql_type = Uuid)]
    id: uuid::Uuid,
}

/// Finds a step.
pub(crate) async fn step_find(conn: &mut Conn, id: StepRunId) -> QueryResult<Option<Step>> {
    let rows = store::sql(format!("select {COLUMNS} from step where id = $1 and step_id <> ''"))
        .bind::<Uuid, _>(id.0)
        .load(conn)
        .await?;
    first(rows)
}

/// Finds the run of a step that SOARCA's key means: the one that waits, the latest of several, else the latest that
/// ended.
pub(crate) async fn step_current(
    conn: &mut Conn,
    execution: ExecutionId,
    step_id: &str,
) -> QueryResult<Option<Step>> {
    let rows = store::sql(format!(
        "select {COLUMNS} from step where execution_id = $1 and step_id = $2 and step_id <> ''
         order by (state = 'pending') desc, run desc, seq desc limit 1"
    ))
    .bind::<Uuid, _>(execution.0)
    .bind::<Text, _>(step_id)
    .load(conn)
    .await?;
    first(rows)
}

/// Says which steps of a list are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) state: Option<StepState>,
    pub(crate) execution_id: Option<ExecutionId>,
    pub(crate) playbook_id: Option<String>,
    pub(crate) step_id: Option<String>,
    pub(crate) assignee: Option<String>,
}

impl Wanted {
    /// Writes what is wanted beside `seq < $1`, for up to `$2` rows, newest first.
    fn bind(&self, before: i64, limit: i64) -> (String, Vec<Value>) {
        let mut values = vec![Value::Int(before), Value::Int(limit)];
        let mut conditions = String::new();
        let mut add = |column: &str, value: Value| {
            values.push(value);
            let _ = write!(conditions, " and {column} = ${}", values.len());
        };
        if let Some(state) = self.state {
            add("state", Value::Text(state.name().into()));
        }
        if let Some(execution) = self.execution_id {
            add("execution_id", Value::Uuid(execution.0));
        }
        for (column, value) in [
            ("playbook_id", &self.playbook_id),
            ("step_id", &self.step_id),
            ("assignee", &self.assignee),
        ] {
            if let Some(value) = value {
                add(column, Value::Text(value.replace('\0', "")));
            }
        }
        let text = format!(
            "from step where seq < $1 and step_id <> ''{conditions} order by seq desc limit $2"
        );
        (text, values)
    }
}

/// Is where a step is, and how many bytes its content has.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub(crate) struct Place {
    #[diesel(sql_type = BigInt)]
    pub(crate) seq: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) size: i64,
}

/// Places up to `limit` steps, newest first, from below `before` on.
pub(crate) async fn steps_places(
    conn: &mut Conn,
    wanted: &Wanted,
    before: i64,
    limit: i64,
) -> QueryResult<Vec<Place>> {
    let (wanted, values) = wanted.bind(before, limit);
    store::bind(format!("select seq, {SIZE} as size {wanted}"), values).load(conn).await
}

/// Gives up to `limit` steps in brief, newest first, from below `before` on.
pub(crate) async fn steps_page(
    conn: &mut Conn,
    wanted: &Wanted,
    before: i64,
    limit: i64,
) -> QueryResult<Vec<Step>> {
    let (wanted, values) = wanted.bind(before, limit);
    steps(store::bind(format!("select {BRIEF} {wanted}"), values).load(conn).await?)
}

/// Places up to `limit` steps that wait, oldest first, from above `after` on.
pub(crate) async fn pending_places(
    conn: &mut Conn,
    now: OffsetDateTime,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<Place>> {
    store::sql(format!(
        "select seq, {SIZE} as size from step
         where state = 'pending' and step_id <> '' and deadline > $1 and seq > $2 order by seq limit $3"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
}

/// Gives the steps at these places, oldest first.
pub(crate) async fn steps_at(conn: &mut Conn, places: &[Place]) -> QueryResult<Vec<Step>> {
    let places: Vec<i64> = places.iter().map(|place| place.seq).collect();
    let rows = store::sql(format!("select {COLUMNS} from step where seq = any($1) order by seq"))
        .bind::<Array<BigInt>, _>(places)
        .load(conn)
        .await?;
    steps(rows)
}

/// Answers a step if it still waits and is not too late: one row decides.
pub(crate) async fn step_answer(
    conn: &mut Conn,
    id: StepRunId,
    answer: &StepAnswer,
    actor: &Actor,
    now: OffsetDateTime,
) -> QueryResult<Option<Step>> {
    let rows = store::sql(format!(
        "update step set state = 'answered', outcome = $2, variables = $3, answered_by = $4, answered_from = $5,
             answered_by_id = $7, ended = $6, due = null, size = size + octet_length($3::text)
         where id = $1 and state = 'pending' and deadline > $6 returning {COLUMNS}"
    ))
    .bind::<Uuid, _>(id.0)
    .bind::<Text, _>(answer.outcome.name())
    .bind::<Jsonb, _>(json(&answer.variables)?)
    .bind::<Text, _>(&actor.name)
    .bind::<Text, _>(&actor.address)
    .bind::<Timestamptz, _>(now)
    .bind::<Nullable<BigInt>, _>(actor.investigator.map(|id| id.0))
    .load(conn)
    .await?;
    first(rows)
}

/// Says who is asked from now on; `only_from` lets it be only while nobody is, or that one.
pub(crate) async fn step_assign(
    conn: &mut Conn,
    id: StepRunId,
    assignee: Option<Person<'_>>,
    only_from: Option<Person<'_>>,
) -> QueryResult<Option<Step>> {
    let rows = store::sql(format!(
        "update step set assignee = $2, assignee_id = $3 where id = $1 and state = 'pending' and step_id <> ''
             and ($4 is null or assignee is null
                 or case when assignee_id is null then assignee = $4 else assignee_id = $5 end)
         returning {COLUMNS}"
    ))
    .bind::<Uuid, _>(id.0)
    .bind::<Nullable<Text>, _>(assignee.map(|person| person.name))
    .bind::<Nullable<BigInt>, _>(assignee.and_then(Person::number))
    .bind::<Nullable<Text>, _>(only_from.map(|person| person.name))
    .bind::<Nullable<BigInt>, _>(only_from.and_then(Person::number))
    .load(conn)
    .await?;
    first(rows)
}

/// Ends up to `limit` steps that nobody answered in time, and gives them in brief.
pub(crate) async fn steps_expire(
    conn: &mut Conn,
    now: OffsetDateTime,
    limit: i64,
) -> QueryResult<Vec<Step>> {
    let rows = store::sql(format!(
        "update step set state = 'expired', ended = $1, due = null where id in
           (select id from step where state = 'pending' and deadline <= $1 order by deadline limit $2
            for update skip locked)
         returning {BRIEF}"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    steps(rows)
}

/// Takes up to `limit` steps, in brief, of which people are to be reminded, once; `escalate_to` is asked from then on.
pub(crate) async fn steps_due(
    conn: &mut Conn,
    now: OffsetDateTime,
    escalate_to: Option<Person<'_>>,
    limit: i64,
) -> QueryResult<Vec<Step>> {
    let rows = store::sql(format!(
        "update step set due = null, assignee = coalesce($3, assignee),
             assignee_id = case when $3 is null then assignee_id else $4 end where id in
           (select id from step where state = 'pending' and due <= $1 and deadline > $1 order by due limit $2
            for update skip locked)
         returning {BRIEF}"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(limit)
    .bind::<Nullable<Text>, _>(escalate_to.map(|person| person.name))
    .bind::<Nullable<BigInt>, _>(escalate_to.and_then(Person::number))
    .load(conn)
    .await?;
    steps(rows)
}

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    first: Option<OffsetDateTime>,
}

/// Counts the steps that wait, and tells since when the first of them does.
pub(crate) async fn steps_count(conn: &mut Conn) -> QueryResult<(i64, Option<OffsetDateTime>)> {
    let waiting: Waiting = store::sql(
        "select count(*) as number, min(created) as first from step where state = 'pending' and step_id <> ''",
    )
    .get_result(conn)
    .await?;
    Ok((waiting.number, waiting.first))
}

/// Forgets up to `limit` steps that ended before `before`, with their history.
pub(crate) async fn steps_purge(
    conn: &mut Conn,
    before: OffsetDateTime,
    limit: i64,
) -> QueryResult<usize> {
    store::sql(
        "delete from step where id in
           (select id from step where ended < $1 order by ended limit $2 for update skip locked)",
    )
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(limit)
    .execute(conn)
    .await
}

/// Gives up to `limit` steps that wait in brief, those with the nearest deadline first.
pub(crate) async fn steps_soonest(
    conn: &mut Conn,
    now: OffsetDateTime,
    limit: i64,
) -> QueryResult<Vec<Step>> {
    let rows = store::sql(format!(
        "select {BRIEF} from step where state = 'pending' and deadline > $1 order by deadline limit $2"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    steps(rows)
}
