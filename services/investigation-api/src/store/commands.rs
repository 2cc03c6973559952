//! The table `command`: made, delivered, answered, withdrawn; each a statement for a whole batch, which looks at each
//! of its commands by its number: whatever the planner believes of a table that was filled a moment ago, a batch reads
//! a batch. Commands come in order, and so they are locked.

use super::counts::{COUNT_MOVED, Moved};
use diesel::sql_types::{Array, BigInt, Json, Text, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::Conn;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::messages::command::{DeliveredCommand, IssuedCommand, ReturnedCommand};
use types::messages::{CommandIssued, CommandPlanned, CommandWithdrawn};
use types::{Action, ActionId, CommandId, OperationResult};

/// Inserts commands as they are made; those that could not be given out have failed, with the reason as the result of
/// each operation. That moment is when their action started, whether or not the scheduler has told so.
pub(crate) async fn commands_insert(conn: &mut Conn, issued: &CommandIssued) -> QueryResult<i64> {
    let failed = issued.commands.iter().any(|command| command.failed.is_some());
    let operations = if failed { operations(issued) } else { 1 };
    let rows = issued.commands.iter().map(|command| {
        let results = failure(command, operations);
        json!({"id": command.id, "agent": command.agent, "results": results})
    });
    insert(conn, issued.action, rows.collect(), issued.at).await
}

/// Inserts commands that are held back; they wait until they are given out.
pub(crate) async fn commands_plan(conn: &mut Conn, planned: &CommandPlanned) -> QueryResult<i64> {
    let rows =
        planned.commands.iter().map(|command| json!({"id": command.id, "agent": command.agent}));
    insert(conn, planned.action, rows.collect(), planned.at).await
}

async fn insert(
    conn: &mut Conn,
    action: ActionId,
    rows: Vec<Value>,
    at: OffsetDateTime,
) -> QueryResult<i64> {
    let moved: Moved = store::sql(format!(
        "with moved as (insert into command (id, action_id, agent_id, status, results, results_size, started, finished)
             select id, $2, agent, case when results is null then 'waiting' else 'failed' end, results,
                 octet_length(results::text), $3, case when results is not null then $3 end
             from json_to_recordset($1) as new(id bigint, agent bigint, results json) order by id
             on conflict (id) do nothing
             returning action_id, null::text as before, status as after),
         begun as (update action set started = $3 where id = $2 and started is null returning 1),
         {COUNT_MOVED}"
    ))
    .bind::<Json, _>(Value::from(rows))
    .bind::<BigInt, _>(action.0)
    .bind::<Timestamptz, _>(at)
    .get_result(conn)
    .await?;
    Ok(moved.count)
}

/// Gives a result for each operation, as an agent answers that lacks a module (specs/mig/scheduler-agent.md §3).
fn failure(command: &IssuedCommand, operations: usize) -> Option<Vec<OperationResult>> {
    let errors = Some(vec![command.failed.clone()?]);
    Some(vec![OperationResult { errors, ..OperationResult::default() }; operations])
}

fn operations(issued: &CommandIssued) -> usize {
    let action = Action::parse(issued.document.as_bytes()).unwrap_or_default();
    action.operations.map_or(1, |operations| operations.len().max(1))
}

/// Notes that agents took commands.
pub(crate) async fn commands_deliver(
    conn: &mut Conn,
    delivered: &[&DeliveredCommand],
) -> QueryResult<i64> {
    let ids = in_order(delivered.iter().map(|command| command.id));
    let moved: Moved = store::sql(format!(
        "with old as (select c.id from unnest($1) as told(id) cross join lateral (
                 select id from command where command.id = told.id and status = 'waiting' for update) c),
         moved as (update command set status = 'delivered' from old where command.id = old.id
             returning action_id, 'waiting' as before, status as after),
         {COUNT_MOVED}"
    ))
    .bind::<Array<BigInt>, _>(ids)
    .get_result(conn)
    .await?;
    Ok(moved.count)
}

/// Ends open commands.
pub(crate) async fn commands_withdraw(
    conn: &mut Conn,
    withdrawn: &CommandWithdrawn,
) -> QueryResult<i64> {
    let ids = in_order(withdrawn.commands.iter().copied());
    let moved: Moved = store::sql(format!(
        "with old as (select c.* from unnest($1) as told(id) cross join lateral (
                 select id, status from command where command.id = told.id and status in ('waiting', 'delivered')
                 for update) c),
         moved as (update command set status = $2, finished = $3 from old where command.id = old.id
             returning action_id, old.status as before, command.status as after),
         {COUNT_MOVED}"
    ))
    .bind::<Array<BigInt>, _>(ids)
    .bind::<Text, _>(withdrawn.status.name())
    .bind::<Timestamptz, _>(withdrawn.at)
    .get_result(conn)
    .await?;
    Ok(moved.count)
}

/// Stores what agents answered; the rule of which answer counts is the scheduler's (an answer counts once, also over
/// `expired`, `cancelled`, and what agent-gateway failed as it gave the command up; a success over `failed` and
/// `timeout` too).
pub(crate) async fn commands_return(
    conn: &mut Conn,
    answers: &[&ReturnedCommand],
) -> QueryResult<i64> {
    let rows: Vec<_> = answers
        .iter()
        .map(|answer| {
            let found: Vec<_> = answer.results.iter().map(|result| result.foundanything).collect();
            json!({"id": answer.id, "agent": answer.agent, "status": answer.status, "found": found,
            "results": answer.results, "given_up": answer.given_up,
            "at": answer.at.format(&Rfc3339).unwrap_or_default()})
        })
        .collect();
    let moved: Moved = store::sql(format!(
        "with answer as (select distinct on (id, agent) id, agent, status, found, results, given_up, at
             from json_to_recordset($1) as answer(id bigint, agent bigint, status text, found jsonb, results json,
                 given_up boolean, at timestamptz)
             order by id, agent, status <> 'success', given_up, at),
         old as (select c.* from answer cross join lateral (
                 select id, agent_id, status from command
                 where command.id = answer.id and command.agent_id = answer.agent
                     and (command.status in ('waiting', 'delivered', 'expired', 'cancelled')
                         or command.given_up and not answer.given_up
                         or command.status in ('failed', 'timeout') and answer.status = 'success')
                 for update) c),
         moved as (update command set status = answer.status, results = answer.results,
                 results_size = octet_length(answer.results::text), given_up = answer.given_up, finished = answer.at,
                 found = array(select jsonb_array_elements_text(answer.found)::boolean)
             from answer join old on old.id = answer.id and old.agent_id = answer.agent
             where command.id = old.id
             returning action_id, old.status as before, command.status as after),
         {COUNT_MOVED}"
    ))
    .bind::<Json, _>(json!(rows))
    .get_result(conn)
    .await?;
    Ok(moved.count)
}

fn in_order(ids: impl Iterator<Item = CommandId>) -> Vec<i64> {
    let ids: BTreeSet<i64> = ids.map(|id| id.0).collect();
    ids.into_iter().collect()
}

/// Counts which of these commands are here.
pub(crate) async fn commands_known(conn: &mut Conn, ids: &[CommandId]) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Known {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let known: Known = store::sql("select count(*) as count from command where id = any($1)")
        .bind::<Array<BigInt>, _>(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .get_result(conn)
        .await?;
    Ok(known.count)
}
