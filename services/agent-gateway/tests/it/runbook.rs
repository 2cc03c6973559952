//! The RunbookSolutions agents' side, by the checklist of specs/runbook/backend.md §5.
//!
//! Long because it follows that checklist point by point.

use crate::scripted::{Poll, Scripted, Version, exchange, raw};
use crate::support::{Gateway, READER, WRITER, count, gateway, gateway_with};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use std::time::Duration as Wait;
use testkit::{PATIENCE, until};
use time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use types::api::device::GRANT_TYPE;
use types::messages::AgentChanged;
use types::{AgentStatus, Transport};

const SCRIPT: &str = "class Plugin:\n    def double(self, number):\n        return {'in': number, 'out': number * 2}\n    def echo(self, value):\n        return value\n    def boom(self):\n        raise ValueError()\n";

/// Publishes a plugin with the commands `double`, `echo` and `boom`.
pub(crate) async fn tools(gateway: &Gateway) -> String {
    let commands = json!({"double": {"function": "double"}, "echo": {"function": "echo"}, "boom": {"function": "boom"}});
    let plugin = json!({"name": "tools", "version": 0, "description": null, "script": SCRIPT, "commands": commands});
    let view = gateway.post("/v1/plugins", WRITER, &plugin).await.expect(201).json();
    assert_eq!(view["version"], 0);
    view["id"].as_str().unwrap().into()
}

/// Enrols a scripted agent with these plugins; gives its id.
pub(crate) async fn enrol(gateway: &Gateway, plugins: &[&str]) -> (Scripted, String) {
    enrol_as(gateway, Version::Released, plugins).await
}

/// Enrols a scripted agent of some version.
pub(crate) async fn enrol_as(
    gateway: &Gateway,
    version: Version,
    plugins: &[&str],
) -> (Scripted, String) {
    let mut agent = Scripted::of(version, gateway.running.address, None);
    assert_eq!(agent.start().await.unwrap(), Poll::Pending);
    let code = agent.code.clone().unwrap();
    let view = gateway
        .approve(&code, &json!({"name": "scripted", "plugins": plugins}))
        .await
        .expect(200)
        .json();
    assert_eq!(agent.start().await.unwrap(), Poll::Done);
    (agent, view["id"].as_str().unwrap().into())
}

/// Makes a task; gives its id.
pub(crate) async fn task(
    gateway: &Gateway,
    agent: &str,
    command: &str,
    cron: Value,
    arguments: Value,
) -> String {
    let new = json!({"agent_id": agent, "command": command, "cron": cron, "arguments": arguments});
    let task = gateway.post("/v1/tasks", WRITER, &new).await.expect(201).json();
    assert_eq!((&task["state"], &task["runs"]), (&json!("waiting"), &json!([])));
    task["id"].as_str().unwrap().into()
}

pub(crate) async fn read(gateway: &Gateway, task: &str) -> Value {
    gateway.get(&format!("/v1/tasks/{task}"), READER).await.expect(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_enrols_fetches_runs_and_reports() {
    let mut gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told.transport, told.status), (Transport::Writ, AgentStatus::Offline));
    let double = format!("{plugin}.double");
    let once = task(&gateway, &id, &double, Value::Null, json!({"number": 21})).await;
    let often = task(&gateway, &id, &double, json!("* * * * *"), json!({"number": 2})).await;

    agent.sync().await.unwrap();
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told.transport, told.status), (Transport::Runbook, AgentStatus::Online));
    assert_eq!(read(&gateway, &once).await["state"], "done");
    assert_eq!(read(&gateway, &once).await["runs"][0]["data"], json!({"in": 21, "out": 42}));
    assert_eq!(read(&gateway, &often).await["state"], "offered");
    for _ in 0..2 {
        agent.sync().await.unwrap();
    }
    assert_eq!((agent.ran[&once], agent.ran[&often], agent.lost), (1, 3, 0));
    assert_eq!(read(&gateway, &often).await["runs"].as_array().unwrap().len(), 3);

    let view = gateway.get(&format!("/v1/agents/{id}"), READER).await.expect(200).json();
    assert_eq!((&view["transport"], &view["plugins"]), (&json!("runbook"), &json!([plugin])));
    // paths with doubled slashes, as a server_url that ends in one makes them
    for path in ["//oauth/device/code", "//oauth/token"] {
        let body = json!({"client_id": "c", "grant_type": GRANT_TYPE, "device_code": "dead"});
        let body = body.to_string();
        let (status, text) = exchange(agent.server, "POST", path, None, Some(&body)).await.unwrap();
        let dead = status == 400 && text.contains("expired_token");
        assert!(dead || status == 200 && text.contains("user_code"), "{path} {status} {text}");
    }
    let token = agent.token.as_deref();
    let (status, text) = exchange(agent.server, "GET", "//api/agent", token, None).await.unwrap();
    let data = serde_json::from_str::<Value>(&text).unwrap()["data"].clone();
    assert_eq!(
        (status, data),
        (200, json!({"id": id, "name": "scripted", "team_id": null, "plugins": [plugin]}))
    );
    let (status, _) =
        exchange(agent.server, "GET", "//api/agent/tasks", token, None).await.unwrap();
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_given_as_the_agents_read_it() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (agent, id) = enrol(&gateway, &[&plugin]).await;
    let token = agent.token.clone().unwrap();
    let given =
        gateway.get(&format!("/api/agent/plugin/{plugin}"), &token).await.expect(200).json();
    let key = format!("{plugin}.echo");
    let command = &given["data"]["commands"][&key];
    assert_eq!((&command["name"], &command["function"]), (&json!(key), &json!("echo")));
    assert!(command["id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
    assert_eq!(given["data"]["hash"], hex::encode(Sha512::digest(SCRIPT)));
    assert_eq!(
        (&given["data"]["version"], &given["data"]["description"]),
        (&json!(0), &Value::Null)
    );

    // exactly the bytes, whatever they are; and no commands are an object still
    for script in [
        "class Plugin:\r\n    pass\r\n",
        "\u{feff}class Plugin:\n    pass",
        "class Plugin:\r    pass",
        "# 😀 漢字\nclass Plugin:\n    pass",
    ] {
        let new = json!({"name": "odd", "version": "v0.0.1", "script": script, "commands": {}});
        let odd = gateway.post("/v1/plugins", WRITER, &new).await.expect(201).json();
        let path = format!("/v1/agents/{id}/plugins");
        gateway.put(&path, WRITER, &json!([plugin, odd["id"]])).await.expect(200);
        let path = format!("/api/agent/plugin/{}", odd["id"].as_str().unwrap());
        let given = gateway.get(&path, &token).await.expect(200).json();
        assert_eq!(given["data"]["script"], script);
        assert_eq!(given["data"]["hash"], hex::encode(Sha512::digest(script)));
        assert_eq!(
            (&given["data"]["commands"], &given["data"]["version"]),
            (&json!({}), &json!("v0.0.1"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_sees_what_is_its_own() {
    let gateway = gateway().await;
    let (mine, other) = (tools(&gateway).await, tools(&gateway).await);
    let (agent, id) = enrol(&gateway, &[&mine]).await;
    let (_, stranger) = enrol(&gateway, &[&other]).await;
    let foreign =
        task(&gateway, &stranger, &format!("{other}.echo"), Value::Null, json!({"value": 1})).await;
    let token = agent.token.clone().unwrap();
    for path in [
        format!("/api/agent/plugin/{other}"),
        "/api/agent/plugin/00000000-0000-7000-8000-000000000000".into(),
        "/api/agent/plugin/no-id".into(),
        "/api/agent/other".into(),
    ] {
        let answer = gateway.get(&path, &token).await.expect(404);
        assert!(answer.json().is_object(), "{path}");
    }
    let result = json!({"data": 1});
    for task in [foreign.as_str(), "00000000-0000-7000-8000-000000000000", "no-id"] {
        gateway.post(&format!("/api/agent/task/{task}"), &token, &result).await.expect(404);
    }
    assert_eq!(gateway.count("task_run").await, 0);
    assert_eq!(
        gateway.get("/api/agent/tasks", &token).await.expect(200).json(),
        json!({"data": []})
    );

    // what was taken a moment ago may still be fetched: the agent may have been told of it just before
    gateway.put(&format!("/v1/agents/{id}/plugins"), WRITER, &json!([])).await.expect(200);
    let path = format!("/api/agent/plugin/{mine}");
    let oneself = gateway.get("/api/agent", &token).await.expect(200).json();
    assert_eq!(oneself["data"]["plugins"], json!([]));
    gateway.clock.advance(Duration::seconds(119));
    gateway.get(&path, &token).await.expect(200);
    gateway.clock.advance(Duration::seconds(1));
    gateway.get(&path, &token).await.expect(404);
    gateway.running.service.app.purge().await.unwrap();
    assert_eq!(gateway.count("plugin_parting").await, 0);
    gateway.put(&format!("/v1/agents/{id}/plugins"), WRITER, &json!([mine])).await.expect(200);
    gateway.get(&path, &token).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_agent_is_out_at_once() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let waiting =
        task(&gateway, &id, &format!("{plugin}.echo"), Value::Null, json!({"value": 1})).await;
    gateway
        .call(reqwest::Method::DELETE, &format!("/v1/agents/{id}"), WRITER, None)
        .await
        .expect(204);
    assert!(agent.sync().await.unwrap_err().contains("401"));
    let token = agent.token.clone().unwrap();
    let answer =
        gateway.post(&format!("/api/agent/task/{waiting}"), &token, &json!({"data": 1})).await;
    assert!(answer.expect(401).json()["message"].is_string());
    assert_eq!(read(&gateway, &waiting).await["state"], "withdrawn");
    let new =
        json!({"agent_id": id, "command": format!("{plugin}.echo"), "cron": null, "arguments": {}});
    gateway.post("/v1/tasks", WRITER, &new).await.expect(422);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_of_any_kind_and_size_are_taken() {
    let gateway = gateway_with(&["--max-result", "1048576"]).await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let echo = format!("{plugin}.echo");
    for value in [
        json!(null),
        json!(true),
        json!(0),
        json!(-1.5),
        json!(""),
        json!("a\u{0}😀"),
        json!([]),
        json!({"a": [1, {"b": null}]}),
    ] {
        let once = task(&gateway, &id, &echo, Value::Null, json!({"value": value})).await;
        agent.sync().await.unwrap();
        assert_eq!(read(&gateway, &once).await["runs"][0]["data"], value);
    }
    let token = agent.token.clone();
    let often = task(&gateway, &id, &echo, json!("@hourly"), json!({"value": 1})).await;
    let path = format!("/api/agent/task/{often}");
    for (body, status) in [("", 400), ("{", 400), ("{\"data\":NaN}", 400), ("[]", 422), ("{}", 422)]
    {
        let (told, _) =
            exchange(agent.server, "POST", &path, token.as_deref(), Some(body)).await.unwrap();
        assert_eq!(told, status, "{body}");
    }
    assert_eq!(read(&gateway, &often).await["runs"], json!([]));
    // the limit itself, one more, and far too much
    for (letters, kept) in [(1_048_574, true), (1_048_575, false), (100 << 20, false)] {
        agent.report(&often, &json!("x".repeat(letters))).await.unwrap();
        let runs = read(&gateway, &often).await["runs"].clone();
        let last = runs.as_array().unwrap().last().unwrap();
        assert_eq!((&last["cut"], last["data"].is_null()), (&json!(!kept), !kept), "{letters}");
        assert!(last["bytes"].as_u64().unwrap() > u64::try_from(letters).unwrap());
    }
    assert_eq!(agent.lost, 0);
    // a body of unknown length that is far too long
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        token.unwrap()
    )
    .into_bytes();
    for _ in 0..40 {
        request.extend_from_slice(b"100000\r\n");
        request.resize(request.len() + (1 << 20), b'x');
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(raw(agent.server, &request).await.unwrap().0, 200);
    let runs = gateway.get(&format!("/v1/tasks/{often}/runs"), READER).await.expect(200).json();
    let last = runs["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["bytes"], &last["cut"]), (&json!(40 << 20), &json!(true)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_for_which_there_is_no_room_in_time_is_cut_and_not_lost() {
    let flags = ["--answers-in-flight", "33554432", "--linger", "6", "--drain", "6"];
    let gateway = gateway_with(&flags).await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let daily = task(&gateway, &id, &format!("{plugin}.boom"), json!("@daily"), json!({})).await;
    agent.sync().await.unwrap();
    let (path, token) = (format!("/api/agent/task/{daily}"), agent.token.clone().unwrap());
    // some take all the room, one after the other, and send nothing
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
        32 << 20
    );
    let mut lines = Vec::new();
    for _ in 0..6 {
        let mut line = TcpStream::connect(gateway.running.address).await.unwrap();
        line.write_all(head.as_bytes()).await.unwrap();
        lines.push(line);
    }
    let large = json!({"data": "x".repeat(2 << 20)});
    let post = || gateway.post(&path, &token, &large);
    let is_full = async || tokio::time::timeout(Wait::from_millis(500), post()).await.is_err();
    until(PATIENCE, is_full).await;
    let mut waits = std::pin::pin!(post());
    let held = tokio::time::timeout(Wait::from_secs(1), waits.as_mut()).await;
    assert!(held.is_err(), "{held:?}");
    // the process is to end, and cannot wait for room any more
    gateway.running.parts.shutdown.trigger();
    waits.await.expect(200);
    let told = read(&gateway, &daily).await;
    let last = told["runs"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["data"], &last["cut"]), (&Value::Null, &json!(true)), "{last}");
    assert!(last["bytes"].as_u64().unwrap() > 2 << 20, "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_sends_nothing_keeps_no_result_of_others_out() {
    let gateway = gateway_with(&["--answers-in-flight", "33554432"]).await;
    let plugin = tools(&gateway).await;
    let (hostile, hostile_id) = enrol(&gateway, &[&plugin]).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let boom = format!("{plugin}.boom");
    let mut tasks = Vec::new();
    for _ in 0..2 {
        tasks.push(task(&gateway, &id, &boom, json!("@daily"), json!({})).await);
    }
    let theirs = task(&gateway, &hostile_id, &boom, json!("@daily"), json!({})).await;
    agent.sync().await.unwrap();
    let mut lines = Vec::new();
    for _ in 0..40 {
        let mut line = TcpStream::connect(gateway.running.address).await.unwrap();
        let head = format!(
            "POST /api/agent/task/{theirs} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
            hostile.token.as_ref().unwrap(),
            1 << 20
        );
        line.write_all(head.as_bytes()).await.unwrap();
        lines.push(line);
    }
    let (path, token) = (format!("/api/agent/task/{theirs}"), hostile.token.clone().unwrap());
    let waits = async || {
        let own = json!({"data": 1});
        let post = gateway.post(&path, &token, &own);
        tokio::time::timeout(Wait::from_millis(500), post).await.is_err()
    };
    until(PATIENCE, waits).await;
    for (task, value) in tasks.iter().zip([json!("small"), json!("x".repeat(500_000))]) {
        agent.report(task, &value).await.unwrap();
        let run = read(&gateway, task).await["runs"][0].clone();
        assert_eq!((&run["cut"], run["data"] == value), (&json!(false), true));
    }
    assert_eq!(agent.lost, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_known_by_its_address() {
    let flags = ["--agent-auth", "off", "--trusted-proxies", "127.0.0.1"];
    let mut gateway = gateway_with(&flags).await;
    let plugin = tools(&gateway).await;
    let mut agent = Scripted::new(gateway.running.address, None);
    assert!(agent.sync().await.unwrap_err().contains("401"));
    let new = json!({"name": "by address", "address": "127.0.0.1", "plugins": [plugin]});
    let view = gateway.post("/v1/agents", WRITER, &new).await.expect(201).json();
    assert_eq!((&view["address"], &view["name"]), (&json!("127.0.0.1"), &json!("by address")));
    gateway.post("/v1/agents", WRITER, &new).await.expect(409);
    agent.sync().await.unwrap();
    gateway.tap.next::<AgentChanged>().await;
    assert_eq!(gateway.tap.next::<AgentChanged>().await.data.transport, Transport::Runbook);

    for (address, want) in [("", 422), ("here", 422), ("10.0.0.0/8", 422)] {
        let wrong = json!({"name": "n", "address": address});
        gateway.post("/v1/agents", WRITER, &wrong).await.expect(want);
    }
    // another address is another agent, and a token says who it is wherever it comes from
    let ask = async |from: &str, token: &str| {
        let mut request =
            gateway.client.get(gateway.url("/api/agent")).header("x-forwarded-for", from);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap()
    };
    assert_eq!(ask("192.0.2.7", "").await.status(), 401);
    let code = gateway
        .client
        .post(gateway.url("/oauth/device/code"))
        .header("x-forwarded-for", "192.0.2.7");
    let code: Value =
        code.json(&json!({"client_id": "test"})).send().await.unwrap().json().await.unwrap();
    let second = gateway.approve(&code, &json!({"name": "second"})).await.expect(200).json();
    assert_eq!(second["address"], "192.0.2.7");
    let oneself: Value = ask("192.0.2.7", "").await.json().await.unwrap();
    assert_eq!(oneself["data"]["id"], second["id"]);
    let token = gateway.poll_token(&code).await.expect(200).json();
    let oneself: Value =
        ask("127.0.0.1", token["access_token"].as_str().unwrap()).await.json().await.unwrap();
    assert_eq!(oneself["data"]["id"], second["id"]);
    assert_eq!(ask("192.0.2.7", "wrong").await.status(), 401);
    // who enrols from an address has it from then on
    let code = gateway.device_code().await;
    let third = gateway.approve(&code, &json!({"name": "third"})).await.expect(200).json();
    let oneself = gateway.get("/api/agent", "").await.expect(200).json();
    assert_eq!(oneself["data"]["id"], third["id"]);
    let id = third["id"].as_str().unwrap();
    gateway
        .call(reqwest::Method::DELETE, &format!("/v1/agents/{id}"), WRITER, None)
        .await
        .expect(204);
    gateway.get("/api/agent", "").await.expect(401);
    gateway.post("/v1/agents", WRITER, &new).await.expect(201);
    gateway.get("/api/agent", "").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_count_for_nothing_by_default() {
    let gateway = gateway().await;
    let new = json!({"name": "by address", "address": "127.0.0.1"});
    let problem = gateway.post("/v1/agents", WRITER, &new).await.expect(409).json();
    assert_eq!(problem["code"], "agents-have-tokens");
    gateway.get("/api/agent", "").await.expect(401);
    assert_eq!(gateway.count("agent").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_writes_nothing() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    task(&gateway, &id, &format!("{plugin}.echo"), json!("@yearly"), json!({"value": 1})).await;
    agent.sync().await.unwrap();
    let token = agent.token.clone().unwrap();
    let before = gateway.count(ROWS_WRITTEN).await;
    for _ in 0..300 {
        gateway.get("/api/agent", &token).await.expect(200);
        gateway.get("/api/agent/tasks", &token).await.expect(200);
    }
    gateway.running.stop().await.unwrap();
    // sessions tell what they wrote at their end at the latest
    let others = "pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
        and application_name <> 'writ' and backend_type = 'client backend'";
    until(PATIENCE, async || count(&gateway.database, others).await == 0).await;
    let written = count(&gateway.database, ROWS_WRITTEN).await - before;
    // who was heard is written five times a second for all together
    assert!(written < 300, "{written} rows were written for 600 polls");
}

/// As many rows as were written to the tables of this database, however often.
const ROWS_WRITTEN: &str = "(
        select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint as n from pg_stat_user_tables
    ) s, generate_series(1, s.n)";

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_agent_is_gone_after_three_syncs() {
    let mut gateway = gateway().await;
    let (mut agent, id) = enrol(&gateway, &[]).await;
    agent.sync().await.unwrap();
    gateway.tap.next::<AgentChanged>().await;
    gateway.tap.next::<AgentChanged>().await;
    // when a second sync after this one is written down, nothing of the first is on its way any more
    for _ in 0..2 {
        gateway.clock.advance(Duration::seconds(1));
        agent.sync().await.unwrap();
        let heard = format!("presence where last_seen >= '{}'", gateway.clock.now());
        until(PATIENCE, async || count(&gateway.database, &heard).await == 1).await;
    }
    let app = &gateway.running.service.app;
    gateway.clock.advance(Duration::seconds(91));
    app.fade_agents().await.unwrap();
    assert_eq!(gateway.tap.next::<AgentChanged>().await.data.status, AgentStatus::Idle);
    gateway.clock.advance(Duration::seconds(100));
    app.fade_agents().await.unwrap();
    assert_eq!(gateway.tap.next::<AgentChanged>().await.data.status, AgentStatus::Offline);
    agent.sync().await.unwrap();
    assert_eq!(gateway.tap.next::<AgentChanged>().await.data.status, AgentStatus::Online);
    let path = format!("/v1/agents/{id}");
    until(PATIENCE, async || gateway.get(&path, READER).await.json()["status"] == "online").await;
    gateway.tap.none_of("agent.changed.v1", Wait::from_millis(300)).await;
}
