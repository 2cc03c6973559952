//! The recorded life of an unmodified agent 0.1.1, replayed: what it sent is sent again, what it was answered is what
//! it is answered here, but for names that every server chooses itself (specs/runbook/happy-run-transcript.txt).

use crate::scripted::raw;
use crate::support::{WRITER, gateway};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TRANSCRIPT: &str = include_str!("happy-run.txt");
/// The values of these may differ; an agent looks at none of them.
const FREE: [&str; 9] = [
    "name",
    "version",
    "team_id",
    "verification_uri",
    "verification_uri_complete",
    "expires_in",
    "refresh_token",
    "error_description",
    "user_code",
];

struct Exchange {
    request: String,
    status: u16,
    answer: Value,
}

fn exchanges() -> Vec<Exchange> {
    let parts = TRANSCRIPT.split("=== ").filter(|part| !part.trim().is_empty());
    let exchange = |part: &str| {
        let sent: Vec<&str> = part
            .lines()
            .filter_map(|line| line.strip_prefix("> ").or(line.strip_prefix('>')))
            .collect();
        let told: Vec<&str> = part
            .lines()
            .filter_map(|line| line.strip_prefix("< ").or(line.strip_prefix('<')))
            .collect();
        Exchange {
            request: sent.join("\r\n"),
            status: told[0].parse().unwrap(),
            answer: serde_json::from_str(told.last().unwrap()).unwrap(),
        }
    };
    parts.map(exchange).collect()
}

/// Knows which name of ours stands for which of the recorded ones.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    fn replace(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    }

    /// Compares an answer with the recorded one and learns the names in it.
    fn compare(&mut self, place: &str, theirs: &Value, ours: &Value) {
        match (theirs, ours) {
            (Value::Object(theirs), Value::Object(ours)) => {
                for (name, value) in theirs {
                    let (known, place) = (self.replace(name), format!("{place}/{name}"));
                    if name == "refresh_token" {
                        continue;
                    }
                    let ours = ours.get(&known).unwrap_or_else(|| panic!("{place} is missing"));
                    if FREE.contains(&name.as_str()) {
                        continue;
                    }
                    self.compare(&place, value, ours);
                }
            }
            (Value::Array(theirs), Value::Array(ours)) => {
                assert_eq!(theirs.len(), ours.len(), "{place}");
                for (at, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                    self.compare(&format!("{place}/{at}"), theirs, ours);
                }
            }
            (Value::String(theirs), Value::String(ours)) => {
                let is_name = place.ends_with("id")
                    || place.ends_with("_code")
                    || place.ends_with("_token")
                    || place.contains("/plugins/");
                if is_name && !place.ends_with("script") && !self.0.contains_key(theirs) {
                    self.0.insert(theirs.clone(), ours.clone());
                }
                if place.ends_with("arguments") {
                    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
                    assert_eq!(read(theirs), read(ours), "{place}");
                } else {
                    assert_eq!(&self.replace(theirs), ours, "{place}");
                }
            }
            _ => assert_eq!(theirs, ours, "{place}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_agent_is_answered_as_it_was() {
    let gateway = gateway().await;
    let exchanges = exchanges();
    assert_eq!(exchanges.len(), 17);
    let recorded =
        exchanges.iter().find(|it| it.request.starts_with("GET /api/agent/plugin/")).unwrap();
    let recorded = &recorded.answer["data"];
    let commands: BTreeMap<&str, Value> = recorded["commands"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, command)| {
            (key.split_once('.').unwrap().1, json!({"function": command["function"]}))
        })
        .collect();
    let new = json!({
        "name": recorded["name"], "version": recorded["version"], "description": recorded["description"],
        "script": recorded["script"], "commands": commands,
    });
    let plugin = gateway.post("/v1/plugins", WRITER, &new).await.expect(201).json();
    let plugin = plugin["id"].as_str().unwrap();

    let (mut names, mut polls, mut code) = (Names::default(), 0, Value::Null);
    for Exchange { request, status, answer } in exchanges {
        let is_poll = request.starts_with("POST /oauth/token");
        polls += usize::from(is_poll);
        if is_poll && polls == 3 {
            // a person approves the code, and two tasks wait
            let agent = gateway
                .approve(&code, &json!({"name": "mock agent", "plugins": [plugin]}))
                .await
                .expect(200)
                .json();
            for (command, cron, arguments) in [
                ("hello", Value::Null, json!({})),
                ("double", json!("* * * * *"), json!({"number": 21})),
            ] {
                let new = json!({"agent_id": agent["id"], "command": format!("{plugin}.{command}"), "cron": cron, "arguments": arguments});
                gateway.post("/v1/tasks", WRITER, &new).await.expect(201);
            }
        }
        let mut request = names.replace(&request);
        // names may be longer or shorter than the recorded ones
        if let Some((head, body)) =
            request.split_once("\r\n\r\n").filter(|(_, body)| !body.is_empty())
        {
            let length = format!("Content-Length: {}", body.len());
            let head: Vec<&str> = head
                .split("\r\n")
                .map(|line| if line.starts_with("Content-Length") { length.as_str() } else { line })
                .collect();
            request = format!("{}\r\n\r\n{body}", head.join("\r\n"));
        }
        let (told, text) = raw(gateway.running.address, request.as_bytes()).await.unwrap();
        assert_eq!(told, status, "{request}\n{text}");
        let ours: Value = serde_json::from_str(&text).unwrap();
        if code.is_null() {
            code = ours.clone();
        }
        names.compare("", &answer, &ours);
    }
    assert_eq!(gateway.count("task_run").await, 4);
}
