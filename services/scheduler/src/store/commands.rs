//! The table `command`.

use super::runs::{COLUMNS, PUBLISH_EVERY, RunRow};
use crate::domain::answer::Answer;
use crate::domain::dispatch::PACE;
use diesel::result::Error::SerializationError;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use fleet::Aim;
use store::{Conn, Value};
use time::OffsetDateTime;
use types::{ActionId, CommandStatus};

const SENT: &str = "sent";
/// Is the state of a command that is held back; to all others it is waiting.
const HELD: &str = "held";
/// How many commands one statement ends: that of an action on a whole fleet must not run into its time limit.
pub(crate) const WITHDRAWN_AT_ONCE: i64 = 20_000;

#[derive(Debug, QueryableByName)]
pub(crate) struct MadeRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) agent_id: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub(crate) missing: Option<String>,
}

/// Makes one command per agent that `aim` reaches; one whose agent lacks a module is failed from the start.
/// An agent that lists no modules at all is taken at its word when it answers. The numbers are drawn before the rows
/// are made: what was made is never looked up again, whose number PostgreSQL cannot guess.
pub(crate) async fn commands_make(
    conn: &mut Conn,
    run: &RunRow,
    modules: Vec<String>,
    mut aim: Aim,
    now: OffsetDateTime,
) -> QueryResult<Vec<MadeRow>> {
    let modules = aim.bind(Value::Texts(modules));
    let action = aim.bind(Value::Int(run.action_id));
    let at = aim.bind(Value::Time(now));
    let first =
        aim.bind(Value::Text(if run.dispatch.dispatch.is_some() { HELD } else { SENT }.into()));
    let reached = aim.reached("agent.id, agent.environment->'modules' as modules");
    let text = format!(
        "with reached as ({reached}),
         able as (select id, (select needed from unnest({modules}::text[]) as needed
                 where jsonb_typeof(modules) = 'array' and not jsonb_exists(modules, needed) limit 1) as missing
             from reached order by id),
         chosen as (select nextval('command_id_seq') as command, id, missing from able),
         made as (insert into command (id, action_id, agent_id, status, started, finished, forgiven)
             select command, {action}, id, case when missing is null then {first} else 'failed' end, {at},
                 case when missing is not null then {at} end, missing is not null
             from chosen)
         select command as id, id as agent_id, missing from chosen order by command"
    );
    store::bind(text, aim.binds).get_results(conn).await
}

#[derive(Debug, QueryableByName)]
pub(crate) struct IdRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
}

#[derive(Debug, QueryableByName)]
pub(crate) struct NextRow {
    #[diesel(sql_type = BigInt)]
    pub(crate) id: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) agent_id: i64,
}

/// Takes the next `count` commands of an action that are held back, as given out.
pub(crate) async fn commands_issue(
    conn: &mut Conn,
    action: i64,
    count: i64,
) -> QueryResult<Vec<NextRow>> {
    store::sql(
        "with next as (select id from command where action_id = $1 and status = 'held' order by id limit $2 for update),
         issued as (update command set status = 'sent' from next where command.id = next.id
             returning command.id, command.agent_id)
         select id, agent_id from issued order by id",
    )
    .bind::<BigInt, _>(action)
    .bind::<BigInt, _>(count)
    .get_results(conn)
    .await
}

/// Tells whether no agent that is still there owes an answer to what was given out. A MIG agent that describes its
/// machine anew goes on as another row with the same process id.
pub(crate) async fn commands_silent(conn: &mut Conn, action: i64) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Silent {
        #[diesel(sql_type = Bool)]
        silent: bool,
    }
    let found: Silent = store::sql(
        "select not exists (select from command join agent as given on given.id = command.agent_id
                 join agent on agent.queueloc = given.queueloc and agent.pid = given.pid
             where command.action_id = $1 and command.status = 'sent' and agent.status in ('online', 'idle')) as silent",
    )
    .bind::<BigInt, _>(action)
    .get_result(conn)
    .await?;
    Ok(found.silent)
}

/// Counts those of `answers` whose command was never given to that agent for that action. One that is there no more was
/// removed with its run; a number that was not drawn yet is made up.
pub(crate) async fn commands_foreign(conn: &mut Conn, answers: &[&Answer]) -> QueryResult<i64> {
    let ids: Vec<_> = answers.iter().map(|answer| answer.id.0).collect();
    let agents: Vec<_> = answers.iter().map(|answer| answer.agent.0).collect();
    let actions: Vec<_> = answers.iter().map(|answer| answer.action.0).collect();
    let found: CountRow = store::sql(
        "select count(*) as count from unnest($1::bigint[], $2::bigint[], $3::bigint[]) as answer(id, agent, action)
         where answer.id > (select last_value from command_id_seq)
             or exists (select from command where command.id = answer.id
                 and (command.agent_id <> answer.agent or command.action_id <> answer.action or status = 'held'))",
    )
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Array<BigInt>, _>(agents)
    .bind::<Array<BigInt>, _>(actions)
    .get_result(conn)
    .await?;
    Ok(found.count)
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Ends up to [`WITHDRAWN_AT_ONCE`] open commands of an action.
pub(crate) async fn commands_withdraw(
    conn: &mut Conn,
    action: ActionId,
    status: CommandStatus,
    now: OffsetDateTime,
) -> QueryResult<Vec<IdRow>> {
    store::sql(
        "update command set status = $2, finished = $3 where id in (
             select id from command where action_id = $1 and status in ('held', 'sent') order by id limit $4 for update)
         returning id",
    )
    .bind::<BigInt, _>(action.0)
    .bind::<Text, _>(status.name())
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(WITHDRAWN_AT_ONCE)
    .get_results(conn)
    .await
}

/// Takes note that what went wrong until now no longer counts against its run: each such command may still turn out
/// otherwise.
pub(crate) async fn commands_forgive(conn: &mut Conn, action: i64) -> QueryResult<usize> {
    store::sql(
        "update command set forgiven = true
         where action_id = $1 and status in ('failed', 'timeout') and not forgiven",
    )
    .bind::<BigInt, _>(action)
    .execute(conn)
    .await
}

/// Takes note that the open commands of agents that have gone away no longer count against their run; tells how many.
pub(crate) async fn commands_forgive_lost(conn: &mut Conn, action: i64) -> QueryResult<usize> {
    store::sql(
        "update command set forgiven = true where action_id = $1 and status = 'sent' and not forgiven
             and not exists (select from agent as given
                 join agent on agent.queueloc = given.queueloc and agent.pid = given.pid
                 where given.id = command.agent_id and agent.status in ('online', 'idle'))",
    )
    .bind::<BigInt, _>(action)
    .execute(conn)
    .await
}

/// Is a run some of whose commands were closed, and how many, by what was answered.
#[derive(Debug, QueryableByName)]
pub(crate) struct ClosedRow {
    #[diesel(embed)]
    pub(crate) run: RunRow,
    #[diesel(sql_type = BigInt)]
    pub(crate) to_success: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) to_failed: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) to_timeout: i64,
}

/// Closes commands with what their agents answered, counts them into their runs, and gives those runs; one that says
/// that it is unpublished is told later.
///
/// An answer counts once, from the command's own agent only. It also replaces `expired` and `cancelled`: what ran, ran
/// (specs/mig/scheduler-agent.md §6, late success); and so it replaces what agent-gateway failed as it gave the command
/// up. A success replaces all but a success (§11.5). The caller holds the runs ([`super::runs::runs_lock`]).
pub(crate) async fn commands_close(
    conn: &mut Conn,
    answers: &[&Answer],
    now: OffsetDateTime,
) -> QueryResult<Vec<ClosedRow>> {
    // written once, without a tree in between: this is done ten thousand times a second
    let rows = serde_json::to_string(answers).map_err(|e| SerializationError(e.into()))?;
    // PostgreSQL cannot tell how many rows a text holds, and would rather read a table of 20,000 whole
    let ids: Vec<_> = answers.iter().map(|answer| answer.id.0).collect();
    store::sql(format!(
        "with answer as (select distinct on (id, agent, action) id, agent, action, status, found, given_up, at
             from jsonb_to_recordset($1::jsonb) as answer(id bigint, agent bigint, action bigint, status text,
                 found boolean[], given_up boolean, at timestamptz)
             order by id, agent, action, status <> 'success', given_up, at),
         old as (select command.id, command.agent_id, command.action_id, command.status, command.forgiven from command
             join answer on answer.id = command.id and answer.agent = command.agent_id
                 and answer.action = command.action_id
             where command.id = any($5)
                 and (command.status in ('sent', 'expired', 'cancelled') or command.given_up and not answer.given_up
                     or command.status in ('failed', 'timeout') and answer.status = 'success')
             order by command.id for update of command),
         closed as (update command set status = answer.status, given_up = answer.given_up,
                 finished = answer.at, found = answer.found
             from answer join old on old.id = answer.id and old.agent_id = answer.agent
                 and old.action_id = answer.action
             where command.id = old.id
             returning old.action_id, old.status as before, old.forgiven, command.status as after),
         change as (select action_id,
                 count(*) filter (where after = 'success') as success,
                 count(*) filter (where after = 'failed') as failed,
                 count(*) filter (where after = 'timeout') as timeout,
                 count(*) filter (where before = 'failed') as unfailed,
                 count(*) filter (where before = 'timeout') as untimed,
                 count(*) filter (where forgiven and after = 'failed')
                     - count(*) filter (where forgiven and before = 'failed') as forgiven_failed,
                 count(*) filter (where forgiven and after = 'timeout')
                     - count(*) filter (where forgiven and before = 'timeout') as forgiven_timeout,
                 count(*) filter (where forgiven and before = 'sent') as forgiven_ended,
                 count(*) filter (where before = 'expired') as unexpired,
                 count(*) filter (where before = 'cancelled') as uncancelled,
                 count(*) filter (where before = 'sent') as ended
             from closed group by action_id order by action_id),
         tally as (select change.*, run.published <= $3 as due,
                 run.status = 'inflight' and run.success + run.failed + run.timeout + run.expired
                     + run.cancelled + change.ended >= run.targeted as over
             from change join run on run.action_id = change.action_id),
         counted as (update run set
                 success = run.success + tally.success, failed = run.failed + tally.failed - tally.unfailed,
                 forgiven_failed = least(run.forgiven_failed + tally.forgiven_failed,
                    run.failed + tally.failed - tally.unfailed),
                 timeout = run.timeout + tally.timeout - tally.untimed,
                 forgiven_timeout = least(run.forgiven_timeout + tally.forgiven_timeout,
                    run.timeout + tally.timeout - tally.untimed),
                 forgiven_lost = run.forgiven_lost - tally.forgiven_ended,
                 forgiven_done = run.forgiven_done + tally.forgiven_ended, expired = run.expired - tally.unexpired,
                 cancelled = run.cancelled - tally.uncancelled, version = run.version + 1,
                 unpublished = not (due or over),
                 published = case when due or over then $2 else run.published end,
                 status = case when over then 'completed' else run.status end,
                 look = case when run.held > 0 and run.status = 'inflight'
                     then least(run.look, case when run.wave_left > 0 then $4 else $2 end) end,
                 finished = case when over then $2 else run.finished end
             from tally where run.action_id = tally.action_id returning {COLUMNS})
         select counted.*, change.success as to_success, change.failed as to_failed, change.timeout as to_timeout
         from counted join change on change.action_id = counted.action_id",
    ))
    .bind::<Text, _>(rows)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now - PUBLISH_EVERY)
    // inside a wave its rate decides, and an answer only whether it stops
    .bind::<Timestamptz, _>(now + PACE)
    .bind::<Array<BigInt>, _>(ids)
    .get_results(conn)
    .await
}
