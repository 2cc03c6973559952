//! Many executions at once.

use crate::counting::Counting;
use crate::playbook_house::{House, playbook};
use serde_json::{Map, json};
use std::collections::BTreeMap;

const EXECUTIONS: usize = 200;
const STEPS: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_executions_of_ten_steps_keep_their_order() {
    let server = Counting::new().await;
    let house = House::new(&["--http-allow", "127.0.0.1"]).await;
    let steps: Map<_, _> = (0..STEPS)
        .map(|at| {
            let id = if at == 0 { "a".into() } else { format!("a{at}") };
            let next = if at + 1 == STEPS { "e".into() } else { format!("a{}", at + 1) };
            let command = json!({"type": "http-api", "command": format!("POST /step/{at}?of=__of__:value HTTP/1.1")});
            (id, json!({"type": "action", "commands": [command], "agent": "g", "targets": ["t"], "on_completion": next}))
        })
        .collect();
    let rest = json!({
        "playbook_variables": {"__of__": {"type": "string", "external": true}},
        "agent_definitions": {"g": {"type": "soarca", "name": "soarca-http-api"}},
        "target_definitions": {"t": {"type": "http-api", "name": "t", "address": {"url": [server.url()]}}},
    });
    let whole = playbook(steps.into(), &rest);
    let (status, stored) =
        house.ask(reqwest::Method::POST, "/v1/playbooks", Some(whole.to_string())).await;
    assert_eq!(status, 201, "{stored}");
    let id = whole["id"].as_str().unwrap();
    let mut executions = Vec::new();
    for number in 0..EXECUTIONS {
        let body = json!({"__of__": {"type": "string", "value": number.to_string()}}).to_string();
        let (status, began) =
            house.ask(reqwest::Method::POST, &format!("/trigger/playbook/{id}"), Some(body)).await;
        assert_eq!(status, 200, "{began}");
        executions.push(began["execution_id"].as_str().unwrap().to_owned());
    }
    for execution in &executions {
        house.until(execution, "succeeded").await;
    }
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for asked in server.asked() {
        let (step, of) = asked.line.split_once("?of=").unwrap();
        order.entry(of.to_owned()).or_default().push(step.to_owned());
    }
    let want: Vec<_> = (0..STEPS).map(|at| format!("POST /step/{at}")).collect();
    assert_eq!(order.len(), EXECUTIONS);
    for (of, steps) in order {
        assert_eq!(steps, want, "execution {of}");
    }
}
