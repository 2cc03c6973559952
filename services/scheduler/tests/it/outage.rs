//! The database goes away while a command is under way: its outcome is neither lost nor taken for lost.

use crate::counting::Counting;
use crate::playbook_house::{House, playbook};
use crate::support::{Servers, job};
use serde_json::{Value, json};
use testkit::{PATIENCE, Proxy, until};
use time::Duration;

fn call(server: &Counting) -> Value {
    playbook(
        json!({"a": {"type": "action", "commands": [{"type": "http-api", "command": "POST /once HTTP/1.1"}], "agent": "g",
            "targets": ["t"], "on_completion": "e"}}),
        &json!({
            "agent_definitions": {"g": {"type": "soarca", "name": "soarca-http-api"}},
            "target_definitions": {"t": {"type": "http-api", "name": "t", "address": {"url": [server.url()]}}},
        }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outcome_in_hand_outlives_the_database() {
    let servers = Servers::new().await;
    let proxy = Proxy::before(servers.database.url()).await;
    let url = proxy.through(servers.database.url());
    let server = Counting::held().await;
    let flags = ["--http-allow", "127.0.0.1", "--command-timeout", "3600"];
    let house = House::on(servers.through(url), &flags).await;
    let id = house.trigger(&call(&server)).await;
    until(PATIENCE, async || server.asked().len() == 1).await;
    proxy.cut();
    house.process.wait(Duration::minutes(1));
    // another process looks while this one is away: once, and again a moment later
    let other = servers.start(&house.process.clock, &flags).await;
    for _ in 0..3 {
        job(&other.service, "executions").await;
    }
    let state = "select state as text from execution_step where kind = 'action'";
    let store = servers.database.store();
    assert_eq!(testkit::texts(&store, state).await, ["calling"]);
    house.process.wait(Duration::seconds(5));
    job(&other.service, "executions").await;
    assert_eq!(testkit::texts(&store, state).await, ["calling"]);
    proxy.resume();
    // its own look comes before its word that it lives
    until(PATIENCE, async || house.process.running.parts.store.is_up().await).await;
    for _ in 0..3 {
        house.process.job("executions").await;
    }
    server.let_go();
    house.until(&id, "succeeded").await;
    assert_eq!(server.asked().len(), 1);
}
