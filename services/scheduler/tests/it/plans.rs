//! No statement of the walk reads a whole table: each has its index, and goes by it among many rows of others.

use crate::support::{Process, Servers, accepted, action, agents, signed};
use crate::waves::steered;
use std::sync::Arc;
use testkit::Scans;
use time::Duration;
use types::messages::ActionAccepted;
use types::{Action, CommandStatus, Dispatch, Wave};

/// Walks runs through all that happens to them, in waves, too.
async fn walk(process: &Process) {
    process.agents(&agents(5)).await;
    for id in 1..=3 {
        process.accept(id, Action { target: "name='host-2' OR true".into(), ..action("a") }).await;
        process.until(id, "inflight").await;
    }
    process.answer(1, &[1, 2, 3], CommandStatus::Success).await;
    process.wait(Duration::seconds(1));
    process.job("publish_runs").await;
    process.cancel(2).await;
    process.wait(Duration::minutes(11));
    process.until(3, "completed").await;
    process.answer(3, &[1], CommandStatus::Success).await;
    let target = "id IN (select agentid from commands, json_array_elements(commands.results) as r where \
                  actionid=1 and r#>>'{foundanything}' = 'true')";
    let expireafter = process.clock.now() + Duration::hours(1);
    process.confirm().await;
    process.accept(4, Action { target: target.into(), expireafter, ..action("b") }).await;
    process.until(4, "inflight").await;
    // in waves
    let dispatch = Some(Dispatch { waves: vec![Wave::Of(1)], ..Dispatch::default() });
    let document = signed(Action { expireafter, ..action("c") }, &["alice"]);
    let message = ActionAccepted { dispatch, at: process.clock.now(), ..accepted(5, &document) };
    process.take("actions", message).await;
    process.until(5, "inflight").await;
    process.answer(5, &[1], CommandStatus::Success).await;
    for (paused, after) in [(true, 1), (false, 2)] {
        let at = process.clock.now() + Duration::milliseconds(after);
        process.take("actions", steered(5, paused, at)).await;
    }
    process.wait(Duration::seconds(6));
    process.job("dispatch").await;
    process.wait(Duration::seconds(6));
    process.job("dispatch").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_has_its_index() {
    let servers = Servers::new().await;
    let database = Arc::clone(&servers.database);
    let scans = Scans::new(&database).await;
    let process = Process::on(servers, &[]).await;
    scans.forget("run").await;
    walk(&process).await;
    process.running.stop().await.unwrap();
    drop(process.store);
    scans
        .check(
            &["run", "command", "agent"],
            &[
                "run_pkey",
                "run_pending_idx",
                "run_open_idx",
                "run_unpublished_idx",
                "run_look_idx",
                "command_held_idx",
                "command_pkey",
                "command_open_idx",
                "command_action_id_agent_id_key",
            ],
        )
        .await;
}

/// Fills the table with 20,000 commands of 200 other runs, in all states.
const OTHERS: &str = "
    with made as (insert into run (action_id, document, target, modules, valid_from, expire_after, status, targeted, created,
                 started, published)
             select n, '{}', 'true', '{}', '2026-11-21 11:00Z', '2030-01-01Z', 'paused', 100, '2026-11-21 11:00Z',
                 '2026-11-21 11:00Z', '2026-11-21 11:00Z'
             from generate_series(1001, 1200) n returning action_id)
    insert into command (action_id, agent_id, status, started)
        select action_id, n, case n % 4 when 0 then 'held' when 1 then 'sent' when 2 then 'failed' else 'success' end,
            '2026-11-21 11:00Z'
        from made, generate_series(1, 100) n";

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_goes_through_the_commands_of_others() {
    for statistics in [false, true] {
        let servers = Servers::new().await;
        let database = Arc::clone(&servers.database);
        let scans = Scans::plain(&database);
        let process = Process::on(servers, &[]).await;
        process.sql("alter table command set (autovacuum_enabled = false)").await;
        process.sql(OTHERS).await;
        if statistics {
            process.sql("analyze").await;
        }
        walk(&process).await;
        process.running.stop().await.unwrap();
        drop(process.store);
        let read = scans.rows("command").await;
        assert!((20..4_000).contains(&read), "{read} rows of commands, statistics: {statistics}");
    }
}
