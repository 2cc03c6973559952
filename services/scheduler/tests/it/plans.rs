//! No statement of the walk reads a whole table: each has its index.

use crate::support::{Process, Servers, accepted, action, agents, signed};
use std::sync::Arc;
use testkit::Scans;
use time::Duration;
use types::messages::ActionAccepted;
use types::{Action, CommandStatus, Dispatch, Wave};

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_has_its_index() {
    let servers = Servers::new().await;
    let database = Arc::clone(&servers.database);
    let scans = Scans::new(&database).await;
    let process = Process::on(servers, &[]).await;
    scans.forget("run").await;
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
    process.wait(Duration::seconds(6));
    process.job("dispatch").await;
    process.wait(Duration::seconds(6));
    process.job("dispatch").await;
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
