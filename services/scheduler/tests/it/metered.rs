//! What operators see of commands that ended.

use crate::crash::{Scheduler, introduce};
use crate::support::{Servers, accepted, action, agent, answer, operation, signed};
use diesel_async::RunQueryDsl;
use std::collections::BTreeMap;
use store::{Store, sql};
use testkit::{PATIENCE, count, until};
use time::Duration;
use types::messages::{ActionAccepted, ActionCancelled, AgentChanged, CommandReturned};
use types::{Action, ActionId, Clock, CommandStatus, Environment, InvestigatorId};

/// Gives how many commands were closed, by status.
async fn closed(scheduler: &Scheduler) -> BTreeMap<String, i64> {
    let url = format!("{}/metrics", scheduler.admin);
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with("writ_commands_closed"));
    let read = lines.map(|line| {
        let status = line.split_once("status=\"").unwrap().1.split_once('"').unwrap().0;
        (status.to_owned(), line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap())
    });
    read.filter(|(_, count)| *count > 0).collect()
}

async fn run(store: &Store, statement: &str) {
    sql(statement.to_owned()).execute(&mut store.get().await.unwrap()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_that_ended_is_counted_once() {
    let _once = rustls::crypto::ring::default_provider().install_default();
    let servers = Servers::new().await;
    let scheduler = Scheduler::start(&servers).await;
    introduce(&servers).await;
    let store = servers.database.store();
    let now = Clock::system().now();
    let without = Environment { modules: vec!["ping".into()], ..Environment::default() };
    servers.vhost.publish("another", now, AgentChanged { environment: without, ..agent(1) }).await;
    for id in 2..=4 {
        servers.vhost.publish("another", now, agent(id)).await;
    }
    until(PATIENCE, async || count(&store, "agent").await == 4).await;

    // a launch that fails at its end has counted nothing
    run(
        &store,
        "create function broken() returns trigger language plpgsql as $$ begin
             if new.status = 'inflight' then raise exception 'broken'; end if;
             return new;
         end $$",
    )
    .await;
    run(
        &store,
        "create trigger broken before update on run for each row execute function broken()",
    )
    .await;
    let order = Action {
        validfrom: now - Duration::minutes(1),
        expireafter: now + Duration::minutes(10),
        operations: Some(vec![operation("file")]),
        ..action("a")
    };
    let message = ActionAccepted { at: now, ..accepted(1, &signed(order, &["alice"])) };
    servers.vhost.publish("another", now, message).await;
    until(PATIENCE, async || count(&store, "run where put_off is not null").await == 1).await;
    assert_eq!(closed(&scheduler).await, BTreeMap::new());
    run(&store, "drop trigger broken on run").await;
    until(PATIENCE, async || count(&store, "run where status = 'inflight'").await == 1).await;
    let want = |pairs: &[(&str, i64)]| {
        pairs
            .iter()
            .map(|(status, count)| ((*status).to_owned(), *count))
            .collect::<BTreeMap<_, _>>()
    };
    until(PATIENCE, async || closed(&scheduler).await == want(&[("failed", 1)])).await;

    let command =
        testkit::texts(&store, "select id::text as text from command where agent_id = 2").await;
    let answered = answer(command[0].parse().unwrap(), 1, 2, CommandStatus::Success);
    for _twice in 0..2 {
        let returned = CommandReturned { commands: vec![answered.clone()] };
        servers.vhost.publish("agent-gateway", now, returned).await;
    }
    let one = want(&[("failed", 1), ("success", 1)]);
    until(PATIENCE, async || closed(&scheduler).await == one).await;
    for _twice in 0..2 {
        let cancelled = ActionCancelled { id: ActionId(1), by: InvestigatorId(1) };
        servers.vhost.publish("another", now, cancelled).await;
    }
    let all = want(&[("cancelled", 2), ("failed", 1), ("success", 1)]);
    until(PATIENCE, async || closed(&scheduler).await == all).await;
    until(PATIENCE, async || count(&store, "messaging.inbox").await >= 5).await;
    assert_eq!(closed(&scheduler).await, all);
}
