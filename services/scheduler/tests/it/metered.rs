//! What operators see of commands that ended.

use crate::crash::{Scheduler, introduce};
use crate::support::{Servers, accepted, action, agent, answer, operation, signed};
use diesel_async::RunQueryDsl;
use std::collections::BTreeMap;
use store::{Store, sql};
use testkit::{PATIENCE, count, until};
use time::Duration;
use types::messages::command::ReturnedCommand;
use types::messages::{ActionAccepted, ActionCancelled, AgentChanged, CommandReturned};
use types::{
    Action, ActionId, AgentId, Clock, CommandId, CommandStatus, Environment, InvestigatorId,
};

/// Gives the lines of one metric with their values.
async fn lines(scheduler: &Scheduler, metric: &str) -> Vec<(String, i64)> {
    let url = format!("{}/metrics", scheduler.admin);
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with(metric));
    let read = lines.map(|line| line.rsplit_once(' ').unwrap());
    read.map(|(labels, count)| (labels.to_owned(), count.parse().unwrap())).collect()
}

/// Gives how many commands were closed, by status.
async fn closed(scheduler: &Scheduler) -> BTreeMap<String, i64> {
    let lines = lines(scheduler, "writ_commands_closed").await.into_iter();
    let read = lines.map(|(labels, count)| {
        let status = labels.split_once("status=\"").unwrap().1.split_once('"').unwrap().0;
        (status.to_owned(), count)
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

    // a word for another's command, and for one that was never made, is forged; one that was removed with its run had an
    // honest answer
    let others = ReturnedCommand { agent: AgentId(3), ..answered.clone() };
    let made_up = ReturnedCommand { id: CommandId(answered.id.0 + 1_000), ..answered.clone() };
    let command =
        testkit::texts(&store, "select id::text as text from command where agent_id = 4").await;
    let removed = answer(command[0].parse().unwrap(), 1, 4, CommandStatus::Success);
    run(&store, "delete from command where agent_id = 4").await;
    let command =
        testkit::texts(&store, "select id::text as text from command where agent_id = 3").await;
    let last = answer(command[0].parse().unwrap(), 1, 3, CommandStatus::Success);
    for one in [others, made_up, removed, last] {
        let returned = CommandReturned { commands: vec![one] };
        servers.vhost.publish("agent-gateway", now, returned).await;
    }
    until(PATIENCE, async || closed(&scheduler).await.get("success") == Some(&2)).await;
    let refused = lines(&scheduler, "writ_results_refused").await;
    assert_eq!(refused.iter().map(|(_, count)| count).sum::<i64>(), 2, "{refused:?}");
}
