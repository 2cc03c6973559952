//! A thousand steps wait for people while everything that holds them is killed at once.

use crate::house::{House, alive, root, until};
use crate::investigator::Investigator;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::task::JoinSet;

const STEPS: usize = 1_000;
const CALLERS: usize = 8;
/// Says how many are answered after all.
const ANSWERED: usize = 5;

/// Has `STEPS` executions wait, kills both services and both servers, and finds each step with its deadline.
pub(crate) async fn all_survive(house: &mut House, investigator: &Arc<Investigator>) {
    let mut question = field("one-question");
    question["workflow"]["action--5d3c2b1a-1111-4aaa-8bbb-000000000002"]["timeout"] =
        json!(3_600_000);
    investigator.ask(Method::POST, "/v1/playbooks", Some(&question.to_string())).await;
    let id = question["id"].as_str().unwrap().to_owned();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (investigator, body) =
            (Arc::clone(investigator), json!({"playbook_id": id}).to_string());
        callers.spawn(async move {
            for _ in 0..STEPS / CALLERS {
                investigator.ask(Method::POST, "/v1/executions", Some(&body)).await;
            }
        });
    }
    while let Some(called) = callers.join_next().await {
        called.unwrap();
    }
    let before = pending(investigator, STEPS).await;
    for service in ["scheduler", "manual-interaction"] {
        house.end("KILL", service);
    }
    kill_servers(house);
    restart_servers(house);
    for service in ["scheduler", "manual-interaction"] {
        house.start(service);
    }
    let after = pending(investigator, STEPS).await;
    let differs: Vec<_> =
        before.iter().filter(|(id, step)| after.get(*id) != Some(*step)).collect();
    assert!(differs.is_empty(), "{} differ, such as {:?}", differs.len(), differs.first());
    for (id, (execution, _)) in after.iter().take(ANSWERED) {
        let answer = json!({"outcome": "success", "variables": {"__answer__": "yes"}}).to_string();
        investigator.ask(Method::POST, &format!("/v1/steps/{id}/answer"), Some(&answer)).await;
        let over = |view: &Value| view["state"] == "succeeded";
        investigator.ask_until(&format!("/v1/executions/{execution}"), over).await;
    }
    assert_eq!(pending(investigator, STEPS - ANSWERED).await.len(), STEPS - ANSWERED);
}

/// Waits until so many steps wait; gives execution and deadline of each by its id.
async fn pending(investigator: &Investigator, count: usize) -> BTreeMap<String, (String, String)> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(90);
    loop {
        let (mut all, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let path = format!("/v1/steps?state=pending&limit=500{cursor}");
            let page = investigator.ask(Method::GET, &path, None).await;
            for item in page["items"].as_array().unwrap() {
                let word = |name: &str| item[name].as_str().unwrap().to_owned();
                all.insert(word("id"), (word("execution_id"), word("deadline")));
            }
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        if all.len() == count {
            return all;
        }
        assert!(std::time::Instant::now() < deadline, "{} wait, not {count}", all.len());
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Kills PostgreSQL and RabbitMQ as a power cut would.
pub(crate) fn kill_servers(house: &House) {
    for server in ["WRIT_RABBITMQ_PID", "WRIT_POSTGRES_PID"] {
        let pid: u32 = house.var(server).parse().unwrap();
        // PostgreSQL's children lead groups of their own
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &pid.to_string()]).output();
        let children = children.unwrap().stdout;
        let children = String::from_utf8(children).unwrap();
        let group = format!("-{pid}");
        let mut victims = vec![group.as_str()];
        victims.extend(children.split_whitespace());
        // some may be gone with those before them
        let _killed = Command::new("kill").args(["-KILL", "--"]).args(victims).output().unwrap();
        until("the server is gone", || !alive(pid));
    }
}

/// Starts both again with their data, on the same ports.
pub(crate) fn restart_servers(house: &House) {
    let private = house.path("private").canonicalize().unwrap();
    let started = Command::new(root().join("scripts/private-services"))
        .arg("start")
        .arg(private)
        .envs([("PS_DURABLE", "1"), ("PS_PLUGINS", "management")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
}

/// Reads one of the playbooks of the field.
pub(crate) fn field(name: &str) -> Value {
    let path = root().join(format!("services/scheduler/tests/playbooks/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
