//! `/v1/tasks`, and signed actions as tasks.
//!
//! Long because each life of a task is one test from its making to its end.

use crate::runbook::{enrol, enrol_as, read, task, tools};
use crate::scripted::{Version, exchange};
use crate::support::{Gateway, READER, WRITER, gateway, gateway_through, gateway_with};
use diesel_async::SimpleAsyncConnection;
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
        (with("/arguments", json!({})), 422, "/arguments"),
        (with("/arguments", json!({"value": 1, "number": 2})), 422, "/arguments/number"),
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
    agent.look().await.unwrap();
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
async fn a_task_waits_until_its_agent_was_told_of_the_plugin() {
    let mut gateway = gateway_with(&["--task-attempts", "2"]).await;
    let (plugin, late) = (tools(&gateway).await, tools(&gateway).await);
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    agent.sync().await.unwrap();
    let path = format!("/v1/agents/{id}/plugins");
    let assign = async |gateway: &Gateway, plugins: &[&str]| {
        gateway.put(&path, WRITER, &json!(plugins)).await.expect(200);
    };
    let echo = |of: &str| format!("{of}.echo");
    // it is given a plugin, a task and an order for it while it is in the middle of a sync: it would drop both
    let listed = agent.look().await.unwrap();
    assign(&gateway, &[&plugin, &late]).await;
    let once = task(&gateway, &id, &echo(&late), Value::Null, json!({"value": 1})).await;
    let known = task(&gateway, &id, &echo(&plugin), Value::Null, json!({"value": 2})).await;
    let number = gateway.number(&id).await;
    gateway
        .order(9, &json!([{"module": echo(&late), "parameters": {"value": 3}}]), &[number])
        .await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 1).await;
    agent.load(&listed).await.unwrap();
    agent.work().await.unwrap();
    assert_eq!((agent.ran.get(&once), agent.ran.get(&known)), (None, Some(&1)));
    assert_eq!(read(&gateway, &once).await["state"], "waiting");
    agent.sync().await.unwrap();
    assert_eq!(
        (read(&gateway, &once).await["state"].clone(), agent.ran[&once]),
        (json!("done"), 1)
    );
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands.remove(0);
    assert_eq!((returned.id, returned.status), (CommandId(90), CommandStatus::Success));

    // what may be given again is not, once the plugin was taken away
    let boom = task(&gateway, &id, &format!("{late}.boom"), Value::Null, json!({})).await;
    agent.sync().await.unwrap();
    assert_eq!(read(&gateway, &boom).await["attempts"], 1);
    gateway.clock.advance(Duration::minutes(11));
    assign(&gateway, &[&plugin]).await;
    let token = agent.token.clone().unwrap();
    let tasks = async || gateway.get("/api/agent/tasks", &token).await.expect(200).json();
    assert_eq!(tasks().await, json!({"data": []}));
    assign(&gateway, &[&plugin, &late]).await;
    assert_eq!(tasks().await, json!({"data": []}), "it is another assignment");
    agent.look().await.unwrap();
    assert_eq!(tasks().await["data"][0]["id"], boom);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_hangs_up_takes_no_task() {
    let (gateway, line) = gateway_through(&[]).await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    agent.sync().await.unwrap();
    let echo =
        task(&gateway, &id, &format!("{plugin}.echo"), Value::Null, json!({"value": 1})).await;
    line.cut();
    let token = agent.token.clone().unwrap();
    let asked = gateway.get("/api/agent/tasks", &token);
    tokio::time::timeout(Wait::from_secs(2), asked).await.unwrap_err();
    line.resume();
    gateway.get("/api/agent", &token).await.expect(200);
    // longer than the pause after which it would have been asked for again
    let end = std::time::Instant::now() + Wait::from_secs(3);
    while std::time::Instant::now() < end {
        assert_eq!(read(&gateway, &echo).await["state"], "waiting");
        tokio::time::sleep(Wait::from_millis(100)).await;
    }
    agent.sync().await.unwrap();
    assert_eq!(agent.ran[&echo], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_a_task_by_the_clock_that_is_gone_are_taken_for_a_year() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let echo = format!("{plugin}.echo");
    let yearly = task(&gateway, &id, &echo, json!("@yearly"), json!({"value": 1})).await;
    agent.sync().await.unwrap();
    let never = task(&gateway, &id, &echo, json!("@yearly"), json!({"value": 1})).await;
    for task in [&yearly, &never] {
        gateway.call(Method::DELETE, &format!("/v1/tasks/{task}"), WRITER, None).await.expect(204);
    }
    let app = &gateway.running.service.app;
    // of what it tells after the end, the latest is kept; what it told before is still there
    gateway.clock.advance(Duration::days(5));
    let told = async || {
        let runs = read(&gateway, &yearly).await["runs"].as_array().unwrap().clone();
        runs.into_iter().map(|run| run["data"].clone()).collect::<Vec<_>>()
    };
    for echo in ["echo", "echo again"] {
        gateway.clock.advance(Duration::minutes(1));
        agent.report(&yearly, &json!(echo)).await.unwrap();
        assert_eq!(told().await, [json!(1), json!(echo)]);
    }
    gateway.clock.advance(Duration::days(3));
    app.purge().await.unwrap();
    // what it never was told of goes, and so do the old runs of the other one
    gateway.get(&format!("/v1/tasks/{never}"), READER).await.expect(404);
    assert_eq!(told().await, ["echo again"]);
    gateway.clock.advance(Duration::days(5));
    app.purge().await.unwrap();
    assert_eq!(told().await, ["echo again"]);
    for (days, lost) in [(358, 0), (60, 0), (401, 1)] {
        gateway.clock.advance(Duration::days(days));
        app.purge().await.unwrap();
        agent.report(&yearly, &json!("still there")).await.unwrap();
        assert_eq!(agent.lost, lost, "after {days} more days");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_task_by_the_clock_the_latest_thousand_runs_are_kept() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let boom = format!("{plugin}.boom");
    let often = task(&gateway, &id, &boom, json!("* * * * *"), json!({})).await;
    let silent = task(&gateway, &id, &boom, json!("* * * * *"), json!({})).await;
    agent.sync().await.unwrap();
    let fill = "insert into task_run (task, at, data, bytes, cut)
        select id, now(), '1', 1, false from task, generate_series(1, 1500)";
    gateway.database.store().get().await.unwrap().batch_execute(fill).await.unwrap();
    let runs = async |task: &str| gateway.count(&format!("task_run where task = '{task}'")).await;
    // not with each result: a tenth more may be there for a while
    for value in 0..99 {
        agent.report(&often, &json!(value)).await.unwrap();
    }
    assert_eq!(runs(&often).await, 1_599);
    for value in 99..101 {
        agent.report(&often, &json!(value)).await.unwrap();
    }
    assert_eq!(runs(&often).await, 1_000);
    agent.report(&often, &json!("last")).await.unwrap();
    agent.report(&silent, &json!("last")).await.unwrap();
    gateway.running.service.app.purge().await.unwrap();
    for task in [&often, &silent] {
        assert_eq!(runs(task).await, 1_000);
        let told = read(&gateway, task).await["runs"].as_array().unwrap().clone();
        assert_eq!(told.last().unwrap()["data"], "last");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_of_a_task_taken_back_after_it_was_given_is_kept() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let once = task(&gateway, &id, &format!("{plugin}.boom"), Value::Null, json!({})).await;
    agent.sync().await.unwrap();
    gateway.call(Method::DELETE, &format!("/v1/tasks/{once}"), WRITER, None).await.expect(204);
    agent.report(&once, &json!("late")).await.unwrap();
    let told = read(&gateway, &once).await;
    assert_eq!(
        (&told["state"], &told["runs"][0]["data"], agent.lost),
        (&json!("withdrawn"), &json!("late"), 0)
    );
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
    assert_eq!((delivered[0].id, delivered[0].action.unwrap().0), (CommandId(70), 7));
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
async fn results_keep_every_digit() {
    let mut gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    agent.sync().await.unwrap();
    let echo = format!("{plugin}.echo");
    let often = task(&gateway, &id, &echo, json!("@yearly"), json!({"value": 1})).await;
    // as Python writes 2 ** 70, and a number beyond its own floats
    let data =
        "[1180591620717411303424, -1180591620717411303424, 1e400, 0.1, 18446744073709551615]";
    let send = async |task: &str| {
        let path = format!("/api/agent/task/{task}");
        let body = format!("{{\"data\": {data}}}");
        let token = agent.token.as_deref();
        let (status, _) = exchange(agent.server, "POST", &path, token, Some(&body)).await.unwrap();
        assert_eq!(status, 200);
    };
    send(&often).await;
    let kept = data.replace(' ', "");
    for path in [format!("/v1/tasks/{often}"), format!("/v1/tasks/{often}/runs")] {
        let answer = gateway.get(&path, READER).await.expect(200);
        assert!(answer.text.contains(&format!("\"data\":{kept}")), "{}", answer.text);
    }
    // the result of a signed action travels as MIG's clients read it: what they could not hold is a text
    let rich = gateway.number(&id).await;
    gateway.order(9, &json!([{"module": echo, "parameters": {"value": 1}}]), &[rich]).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 1).await;
    let token = agent.token.clone().unwrap();
    let tasks = gateway.get("/api/agent/tasks", &token).await.expect(200).json();
    let tasks = tasks["data"].as_array().unwrap();
    let once = tasks.iter().find(|task| task["cron"].is_null()).unwrap();
    send(once["id"].as_str().unwrap()).await;
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands.remove(0);
    let power = "1180591620717411303424";
    assert_eq!(
        returned.results[0].elements,
        json!([power, format!("-{power}"), "1e400", 0.1, u64::MAX])
    );
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
    assert!(
        failed.given_up && failed.results[0].errors.clone().unwrap()[0].contains("did not answer")
    );
    let late = gateway.get(&format!("/v1/tasks?agent_id={id}"), READER).await.json();
    let late = late["items"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    agent.report(&late, &json!(false)).await.unwrap();
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands.remove(0);
    assert_eq!(
        (returned.id, returned.status, returned.results[0].foundanything),
        (CommandId(80), CommandStatus::Success, false)
    );
    assert!(!returned.given_up);
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
    // it fails before the agent comes again
    let failed = gateway.tap.next::<CommandReturned>().await.data.commands.remove(0);
    assert_eq!((failed.id, failed.status), (CommandId(100), CommandStatus::Failed));
    assert_eq!(gateway.get("/api/agent/tasks", &token).await.json(), json!({"data": []}));
    gateway.tap.none_of("command.returned.v1", Wait::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_half_done_fails_when_its_plugin_is_taken() {
    let mut gateway = gateway().await;
    let (plugin, other) = (tools(&gateway).await, tools(&gateway).await);
    let (mut agent, id) = enrol(&gateway, &[&plugin, &other]).await;
    agent.sync().await.unwrap();
    let rich = gateway.number(&id).await;
    // more operations than one answer carries, some waiting orders more than are looked at at once, and one of another
    // plugin
    let step = json!({"module": format!("{plugin}.echo"), "parameters": {"value": "x"}});
    gateway.order(11, &Value::Array(vec![step.clone(); 70]), &[rich]).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 1).await;
    agent.sync().await.unwrap();
    for action in 12..32 {
        gateway.order(action, &json!([step]), &[rich]).await;
    }
    let kept = json!([{"module": format!("{other}.echo"), "parameters": {"value": "y"}}]);
    gateway.order(32, &kept, &[rich]).await;
    until(PATIENCE, async || gateway.count("mailbox where state = 'waiting'").await == 21).await;

    let path = format!("/v1/agents/{id}/plugins");
    gateway.put(&path, WRITER, &json!([other])).await.expect(200);
    let mut failed = Vec::new();
    while failed.len() < 21 {
        failed.extend(gateway.tap.next::<CommandReturned>().await.data.commands);
    }
    assert!(failed.iter().all(|command| command.status == CommandStatus::Failed));
    let numbers: std::collections::BTreeSet<i64> = failed.iter().map(|of| of.id.0).collect();
    assert_eq!(numbers, (11..32).map(|action| action * 10).collect());
    let half = failed.iter().find(|command| command.id == CommandId(110)).unwrap();
    let done = half.results.iter().filter(|result| result.success && result.elements == "x");
    let not = half.results.iter().filter(|result| {
        let reason = result.errors.as_ref().map(|errors| errors[0].as_str());
        !result.success && reason.is_some_and(|reason| reason.contains("was taken from the agent"))
    });
    assert_eq!((done.count(), not.count()), (64, 6));
    assert_eq!(gateway.count("task where state = 'withdrawn'").await, 6);
    // the agent itself ends, as its version does, and starts anew without that plugin
    agent.sync().await.unwrap_err();
    agent.restart();
    agent.sync().await.unwrap();
    let returned = gateway.tap.next::<CommandReturned>().await.data.commands.remove(0);
    assert_eq!((returned.id, returned.status), (CommandId(320), CommandStatus::Success));
    gateway.tap.none_of("command.returned.v1", Wait::from_millis(300)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_by_the_clock_that_never_reports_is_noticed() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let (mut mute, mute_id) = enrol_as(&gateway, Version::First, &[&plugin]).await;
    let (boom, echo) = (format!("{plugin}.boom"), format!("{plugin}.echo"));
    let minutely = || json!("*/5 * * * *");
    let broken = task(&gateway, &id, &boom, minutely(), json!({})).await;
    let well = task(&gateway, &id, &echo, minutely(), json!({"value": 1})).await;
    let unheard = task(&gateway, &mute_id, &echo, minutely(), json!({"value": 1})).await;
    let once = task(&gateway, &mute_id, &echo, Value::Null, json!({"value": 1})).await;
    let missing = async |task: &str| read(&gateway, task).await["missing"].clone();
    let made = read(&gateway, &well).await;
    assert_eq!(
        (&made["offered"], &made["last_run"], &made["missing"]),
        (&Value::Null, &Value::Null, &json!(false))
    );
    let start = gateway.now();
    for _ in 0..25 {
        agent.sync().await.unwrap();
        mute.sync().await.unwrap();
        gateway.clock.advance(Duration::minutes(1));
    }
    gateway.running.service.app.end_tasks().await.unwrap();
    let told = read(&gateway, &well).await;
    let at = |told: &Value| {
        let format = &time::format_description::well_known::Rfc3339;
        time::OffsetDateTime::parse(told.as_str().unwrap(), format).unwrap()
    };
    assert!((at(&told["offered"]) - start).abs() < Duration::MILLISECOND);
    assert!(
        (at(&told["last_run"]) - gateway.now() + Duration::MINUTE).abs() < Duration::MILLISECOND
    );
    assert_eq!(missing(&well).await, json!(false));
    assert_eq!(missing(&broken).await, json!(true));
    // an agent 0.1.0 tells of nothing ever: nobody can say, and nobody is alarmed
    assert_eq!(missing(&unheard).await, Value::Null);
    assert_eq!(
        (read(&gateway, &once).await["state"].clone(), missing(&once).await),
        (json!("overdue"), Value::Null)
    );
    let listed = gateway.get(&format!("/v1/tasks?agent_id={id}"), READER).await.json();
    assert_eq!(listed["items"][0]["missing"], json!(true));
    // what works and then does not
    gateway.clock.advance(Duration::minutes(21));
    assert_eq!(missing(&well).await, json!(true));
    agent.report(&well, &json!(1)).await.unwrap();
    assert_eq!(missing(&well).await, json!(false));
}
