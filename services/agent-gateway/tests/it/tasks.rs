//! `/v1/tasks`, and signed actions as tasks.

use crate::runbook::{enrol, read, task, tools};
use crate::support::{Gateway, READER, WRITER, gateway, gateway_with};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration as Wait;
use testkit::{PATIENCE, until};
use time::Duration;
use types::messages::command::IssuedCommand;
use types::messages::{CommandDelivered, CommandIssued, CommandReturned, CommandWithdrawn};
use types::{ActionId, AgentId, CommandId, CommandStatus};

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tasks_are_refused_and_change_nothing() {
    let mut gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let other = tools(&gateway).await;
    let writ = gateway.online("writ").await;
    let (_, id) = enrol(&gateway, &[&plugin]).await;
    let echo = format!("{plugin}.echo");
    let with = |pointer: &str, value: Value| {
        let mut task =
            json!({"agent_id": id, "command": echo, "cron": null, "arguments": {"value": 1}});
        *task.pointer_mut(pointer).unwrap() = value;
        task
    };
    for (task, status, pointer) in [
        (with("/agent_id", json!("00000000-0000-7000-8000-000000000000")), 422, "/agent_id"),
        (with("/agent_id", json!("x")), 422, "/agent_id"),
        (with("/agent_id", json!(writ.id)), 422, "/agent_id"),
        (with("/command", json!("echo")), 422, "/command"),
        (with("/command", json!(format!("{plugin}.nothing"))), 422, "/command"),
        (with("/command", json!(format!("{other}.echo"))), 422, "/command"),
        (with("/cron", json!("")), 422, "/cron"),
        (with("/cron", json!("0 0 30 2 *")), 422, "/cron"),
        (with("/cron", json!("@reboot")), 422, "/cron"),
        (with("/cron", json!(5)), 422, "/cron"),
        (with("/arguments", json!([])), 422, "/arguments"),
        (with("/arguments", json!("{}")), 422, "/arguments"),
        (with("/arguments", json!(null)), 422, "/arguments"),
        (with("/arguments", json!(5)), 422, "/arguments"),
        (with("/arguments", json!({"self": 1})), 422, "/arguments/self"),
        (with("/arguments", json!({"task": 1})), 422, "/arguments/task"),
        (with("/arguments", json!({"commandName": 1})), 422, "/arguments/commandName"),
    ] {
        let problem = gateway.post("/v1/tasks", WRITER, &task).await.expect(status).json();
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{task} {problem}");
    }
    assert_eq!(gateway.count("task").await, 0);
    for path in ["/v1/tasks/00000000-0000-7000-8000-000000000000", "/v1/tasks/x"] {
        gateway.get(path, READER).await.expect(404);
        gateway.call(Method::DELETE, path, WRITER, None).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_listed_once_and_is_overdue_in_the_end() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let app = &gateway.running.service.app;
    let boom = task(&gateway, &id, &format!("{plugin}.boom"), Value::Null, json!({})).await;
    agent.sync().await.unwrap();
    let told = read(&gateway, &boom).await;
    assert_eq!((&told["state"], &told["attempts"]), (&json!("offered"), &json!(1)));
    let token = agent.token.clone().unwrap();
    assert_eq!(gateway.get("/api/agent/tasks", &token).await.json(), json!({"data": []}));
    gateway.clock.advance(Duration::seconds(599));
    app.end_tasks().await.unwrap();
    assert_eq!(read(&gateway, &boom).await["state"], "offered");
    gateway.clock.advance(Duration::seconds(1));
    app.end_tasks().await.unwrap();
    assert_eq!(read(&gateway, &boom).await["state"], "overdue");
    assert_eq!(gateway.get("/api/agent/tasks", &token).await.json(), json!({"data": []}));
    // late is better than never, and twice is once
    for value in [json!("late"), json!("again")] {
        agent.report(&boom, &value).await.unwrap();
    }
    let told = read(&gateway, &boom).await;
    assert_eq!(
        (&told["state"], &told["runs"][0]["data"], agent.lost),
        (&json!("done"), &json!("late"), 0)
    );
    assert_eq!(told["runs"].as_array().unwrap().len(), 1);
    gateway.clock.advance(Duration::days(8));
    app.purge().await.unwrap();
    assert_eq!((gateway.count("task").await, gateway.count("task_run").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_runs_out_lists_a_task_again_as_often_as_may_be() {
    let gateway = gateway_with(&["--task-attempts", "2"]).await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let boom = task(&gateway, &id, &format!("{plugin}.boom"), Value::Null, json!({})).await;
    let token = agent.token.clone().unwrap();
    let app = &gateway.running.service.app;
    for attempt in 1..=2 {
        let (one, two) = tokio::join!(
            gateway.get("/api/agent/tasks", &token),
            gateway.get("/api/agent/tasks", &token)
        );
        let listed =
            |answer: &crate::support::Answer| answer.json()["data"].as_array().unwrap().len();
        assert_eq!(listed(&one) + listed(&two), 1, "two at once are given it once");
        assert_eq!(read(&gateway, &boom).await["attempts"], attempt);
        gateway.clock.advance(Duration::minutes(10));
        if attempt == 1 {
            app.end_tasks().await.unwrap();
        }
    }
    app.end_tasks().await.unwrap();
    assert_eq!(read(&gateway, &boom).await["state"], "overdue");
    agent.report(&boom, &json!(1)).await.unwrap();
    agent.report(&boom, &json!(2)).await.unwrap();
    agent.report(&boom, &json!(3)).await.unwrap();
    assert_eq!(read(&gateway, &boom).await["runs"].as_array().unwrap().len(), 2);
    // an agent that does not come again is noticed too
    let gone = task(&gateway, &id, &format!("{plugin}.boom"), Value::Null, json!({})).await;
    gateway.get("/api/agent/tasks", &token).await.expect(200);
    gateway.clock.advance(Duration::minutes(20));
    app.end_tasks().await.unwrap();
    assert_eq!(read(&gateway, &gone).await["state"], "overdue");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_withdrawn_and_their_late_results_kept() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let echo = format!("{plugin}.echo");
    let often = task(&gateway, &id, &echo, json!("* * * * *"), json!({"value": 1})).await;
    let never = task(&gateway, &id, &echo, Value::Null, json!({"value": 1})).await;
    for task in [&never, &never] {
        gateway.call(Method::DELETE, &format!("/v1/tasks/{task}"), WRITER, None).await.expect(204);
    }
    agent.sync().await.unwrap();
    assert!(!agent.ran.contains_key(&never));
    gateway.call(Method::DELETE, &format!("/v1/tasks/{often}"), WRITER, None).await.expect(204);
    let token = agent.token.clone().unwrap();
    assert_eq!(gateway.get("/api/agent/tasks", &token).await.json(), json!({"data": []}));
    // an agent before 0.1.2 goes on with it
    agent.sync().await.unwrap();
    let told = read(&gateway, &often).await;
    assert_eq!((&told["state"], told["runs"].as_array().unwrap().len()), (&json!("withdrawn"), 2));
    assert_eq!(agent.lost, 0);
    // what needs a plugin that was taken away is withdrawn with it
    let last = task(&gateway, &id, &echo, json!("@daily"), json!({"value": 1})).await;
    gateway.put(&format!("/v1/agents/{id}/plugins"), WRITER, &json!([])).await.expect(200);
    assert_eq!(read(&gateway, &last).await["state"], "withdrawn");

    let mut listed = Vec::new();
    let mut next = String::new();
    loop {
        let path = format!("/v1/tasks?agent_id={id}&limit=2{next}");
        let page = gateway.get(&path, READER).await.expect(200).json();
        listed.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(listed, [often.clone(), never, last]);
    let runs =
        gateway.get(&format!("/v1/tasks/{often}/runs?limit=1"), READER).await.expect(200).json();
    assert_eq!(
        (&runs["items"][0]["data"], runs["items"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    let cursor = runs["next"].as_str().unwrap();
    let runs = gateway
        .get(&format!("/v1/tasks/{often}/runs?limit=1&cursor={cursor}"), READER)
        .await
        .json();
    assert_eq!(runs["next"], Value::Null);
}

impl Gateway {
    /// Gives the number of an agent.
    async fn number(&self, id: &str) -> i64 {
        self.get(&format!("/v1/agents/{id}"), READER).await.json()["number"].as_i64().unwrap()
    }

    /// Makes a command of an action with these operations, for each agent.
    async fn order(&self, action: i64, operations: &Value, agents: &[i64]) {
        let now = self.now();
        let commands = agents.iter().zip(action * 10..);
        let message = CommandIssued {
            action: ActionId(action),
            document: json!({"name": "n", "syntaxversion": 2, "operations": operations})
                .to_string(),
            at: now,
            expire_after: now + Wait::from_hours(1),
            commands: commands
                .map(|(agent, id)| IssuedCommand {
                    id: CommandId(id),
                    agent: AgentId(*agent),
                    failed: None,
                })
                .collect(),
        };
        self.vhost.publish("scheduler", now, message).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_action_is_done_as_tasks() {
    let mut gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let (mut poor, poor_id) = enrol(&gateway, &[]).await;
    agent.sync().await.unwrap();
    poor.sync().await.unwrap();
    let (rich, poor) = (gateway.number(&id).await, gateway.number(&poor_id).await);
    let (echo, double) = (format!("{plugin}.echo"), format!("{plugin}.double"));
    let both = json!([{"module": echo, "parameters": {"value": []}}, {"module": double, "parameters": {"number": 4}}]);
    gateway.order(7, &both, &[rich, poor]).await;

    // who lacks the plugin is told of at once
    let failed = gateway.tap.next::<CommandReturned>().await.data.commands.remove(0);
    assert_eq!((failed.id, failed.status), (CommandId(71), CommandStatus::Failed));
    let reason = failed.results[1].errors.clone().unwrap().remove(0);
    assert_eq!(
        (failed.results.len(), reason),
        (2, format!("the agent has no plugin with the command {echo}"))
    );

    agent.sync().await.unwrap();
    let delivered = gateway.tap.next::<CommandDelivered>().await.data.commands;
    assert_eq!(delivered[0].id, CommandId(70));
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands.remove(0);
    assert_eq!(
        (returned.id, returned.status, returned.agent),
        (CommandId(70), CommandStatus::Success, AgentId(rich))
    );
    let [first, second] = returned.results.try_into().unwrap();
    assert_eq!((first.elements, first.success, first.foundanything), (json!([]), true, false));
    assert_eq!(
        (second.elements, second.success, second.foundanything),
        (json!({"in": 4, "out": 8}), true, true)
    );
    let tasks = gateway.get("/v1/tasks", READER).await.expect(200).json();
    let item = &tasks["items"][0];
    assert_eq!((&item["command_id"], &item["state"]), (&json!(70), &json!("done")));
    let path = format!("/v1/tasks/{}", item["id"].as_str().unwrap());
    gateway.call(Method::DELETE, &path, WRITER, None).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_is_never_answered_fails_its_command() {
    let mut gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    agent.sync().await.unwrap();
    let rich = gateway.number(&id).await;
    // an answer that never comes fails the command; one that comes late is passed on
    let boom = json!([{"module": format!("{plugin}.boom")}]);
    gateway.order(8, &boom, &[rich]).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 1).await;
    agent.sync().await.unwrap();
    gateway.clock.advance(Duration::minutes(11));
    gateway.running.service.app.end_tasks().await.unwrap();
    let failed = gateway.tap.next::<CommandReturned>().await.data.commands.remove(0);
    assert_eq!((failed.id, failed.status), (CommandId(80), CommandStatus::Failed));
    assert!(failed.results[0].errors.clone().unwrap()[0].contains("did not answer"));
    let late = gateway.get(&format!("/v1/tasks?agent_id={id}"), READER).await.json();
    let late = late["items"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    agent.report(&late, &json!(false)).await.unwrap();
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands.remove(0);
    assert_eq!(
        (returned.id, returned.status, returned.results[0].foundanything),
        (CommandId(80), CommandStatus::Success, false)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_done_any_more_is_not_listed() {
    let mut gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    agent.sync().await.unwrap();
    let rich = gateway.number(&id).await;
    let echo = format!("{plugin}.echo");
    let token = agent.token.clone().unwrap();
    // what is withdrawn before it was listed is never listed
    gateway.order(9, &json!([{"module": echo, "parameters": {"value": 1}}]), &[rich]).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 1).await;
    let withdrawn = CommandWithdrawn {
        action: ActionId(9),
        status: CommandStatus::Cancelled,
        at: gateway.now(),
        commands: vec![CommandId(90)],
    };
    gateway.vhost.publish("scheduler", gateway.now(), withdrawn).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 0).await;
    assert_eq!(gateway.get("/api/agent/tasks", &token).await.json(), json!({"data": []}));

    // a plugin that was taken away between the order and the sync
    gateway.order(10, &json!([{"module": echo, "parameters": {"value": 1}}]), &[rich]).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 1).await;
    gateway.put(&format!("/v1/agents/{id}/plugins"), WRITER, &json!([])).await.expect(200);
    assert_eq!(gateway.get("/api/agent/tasks", &token).await.json(), json!({"data": []}));
    let failed = gateway.tap.next::<CommandReturned>().await.data.commands.remove(0);
    assert_eq!((failed.id, failed.status), (CommandId(100), CommandStatus::Failed));
}
