//! The answers as RunbookSolutions' own document shows them, member by member, and that no path of its agents leads
//! elsewhere.

use crate::runbook::enrol;
use crate::scripted::exchange;
use crate::support::{WRITER, gateway};
use serde_json::{Value, json};

const SCRIPT: &str = "class Plugin:\n    def __init__(self):\n        pass\n    def greet(self):\n        print(\"Hello from the Test Plugin!\")\n    def square(self, number):\n        result = number ** 2\n        print(f\"The square of {number} is {result}\")";
const HASH: &str = "809c167b7b1e7fb9504dc136af3c2dc1c17545355a9aaec28c3792e54bc540943db236b6af547a732161b5d717c9b14a7c508ab49b3f06e128997de06b3abfd3";

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_answered_member_by_member() {
    let gateway = gateway().await;
    let team = gateway.post("/v1/teams", WRITER, &json!({"name": "team"})).await.expect(201).json();
    let new = json!({
        "name": "Test Plugin", "version": 0, "description": null, "script": SCRIPT,
        "commands": {"greet": {"function": "greet"}, "square": {"function": "square"}},
    });
    let plugin = gateway.post("/v1/plugins", WRITER, &new).await.expect(201).json();
    let plugin = plugin["id"].as_str().unwrap();
    let (agent, id) = enrol(&gateway, &[plugin]).await;
    let patch = json!({"name": "Test Agent", "team_id": team["id"]});
    let path = format!("/v1/agents/{id}");
    gateway.call(reqwest::Method::PATCH, &path, WRITER, Some(&patch)).await.expect(200);
    let (greet, square) = (format!("{plugin}.greet"), format!("{plugin}.square"));
    let mut tasks = Vec::new();
    for new in [
        json!({"agent_id": id, "command": greet, "cron": null, "arguments": {}}),
        json!({"agent_id": id, "command": square, "cron": "* * * * *", "arguments": {"number": 2}}),
    ] {
        tasks.push(gateway.post("/v1/tasks", WRITER, &new).await.expect(201).json()["id"].clone());
    }

    let token = agent.token.unwrap();
    let ask = async |path: &str| gateway.get(path, &token).await.expect(200).json();
    assert_eq!(
        ask("/api/agent").await,
        json!({"data": {"id": id, "name": "Test Agent", "team_id": team["id"], "plugins": [plugin]}})
    );
    let mut given = ask(&format!("/api/agent/plugin/{plugin}")).await;
    for command in [&greet, &square] {
        // agents look at no id of a command; theirs are UUIDs
        let id = given["data"]["commands"][command]["id"].take();
        assert!(id.as_str().is_some_and(|id| id.parse::<uuid::Uuid>().is_ok()), "{id}");
    }
    assert_eq!(
        given,
        json!({"data": {
            "id": plugin, "name": "Test Plugin", "version": 0, "description": null,
            "script": SCRIPT, "hash": HASH,
            "commands": {
                greet.as_str(): {"id": null, "name": greet, "function": "greet"},
                square.as_str(): {"id": null, "name": square, "function": "square"},
            },
        }})
    );
    assert_eq!(
        ask("/api/agent/tasks").await,
        json!({"data": [
            {"id": tasks[0], "command": greet, "cron": null, "arguments": "{}"},
            {"id": tasks[1], "command": square, "cron": "* * * * *", "arguments": "{\"number\":2}"},
        ]})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_of_the_agents_leads_elsewhere() {
    let gateway = gateway().await;
    let (agent, _) = enrol(&gateway, &[]).await;
    let nothing = "00000000-0000-7000-8000-000000000000";
    let (plugin, task) =
        (format!("/api/agent/plugin/{nothing}"), format!("/api/agent/task/{nothing}"));
    for path in [
        "/oauth/device/code",
        "/oauth/token",
        "/api/agent",
        "/api/agent/tasks",
        plugin.as_str(),
        task.as_str(),
    ] {
        for path in [path.to_owned(), format!("/{path}"), format!("{path}/"), format!("//{path}//")]
        {
            for method in ["GET", "POST"] {
                for token in [None, Some("wrong"), agent.token.as_deref()] {
                    let body = (method == "POST").then_some("{\"data\": 1}");
                    let answer = exchange(agent.server, method, &path, token, body).await;
                    let (status, text) = answer.unwrap();
                    let told = format!("{method} {path} {token:?}: {status} {text}");
                    assert!(status == 200 || matches!(status, 400..=499), "{told}");
                    assert!(
                        serde_json::from_str::<Value>(&text).is_ok_and(|v| v.is_object()),
                        "{told}"
                    );
                }
            }
        }
    }
}
