//! The scheduler is killed at every boundary of a playbook, and in the middle of a command.

use crate::counting::Counting;
use crate::playbook_house::{KEY, alice, playbook};
use crate::support::Servers;
use reqwest::Client;
use serde_json::{Map, Value, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;
use testkit::{PATIENCE, Process, Tap, until};
use types::messages::manual::ManualOutcome;
use types::messages::{InvestigatorDigest, ManualAnswered, ManualRequested};
use types::{Clock, InvestigatorId};

const STEPS: usize = 6;

/// Is a process that is killed, and its address.
pub(crate) struct Scheduler {
    process: Process,
    url: String,
    /// Where its metrics are.
    pub(crate) admin: String,
}

impl Scheduler {
    pub(crate) async fn start(servers: &Servers) -> Self {
        let program = env!("CARGO_BIN_EXE_scheduler");
        let (database, vhost) = (servers.database.url(), servers.vhost.url());
        let mut child = Process::command(program, database, vhost)
            .args(["--http-allow", "127.0.0.1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // it says where it serves; both pipes are read to their ends so that it never waits for us
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let outputs: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _gone = said.send(line);
                }
            });
        }
        let url = tokio::time::timeout(PATIENCE, async {
            loop {
                let line = heard.recv().await.expect("it ended before it served");
                let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
                let find = |key: &str| {
                    line.pointer(&format!("/fields/{key}"))
                        .or_else(|| line.get(key))
                        .and_then(Value::as_str)
                        .map(ToOwned::to_owned)
                };
                if find("message").as_deref() == Some("serving") {
                    break ["address", "admin"].map(|at| format!("http://{}", find(at).unwrap()));
                }
            }
        });
        let [url, admin] = url.await.expect("it does not serve");
        Self { process: Process(child), url, admin }
    }

    fn kill(&mut self) {
        self.process.kill();
    }
}

/// Tells who there is, as investigation-api would.
pub(crate) async fn introduce(servers: &Servers) {
    let now = Clock::system().now();
    let alice = alice(1, types::Permissions::all().0);
    servers.vhost.publish("investigation-api", now, alice).await;
    let (count, hash) = auth::digest::of([(InvestigatorId(1), 1)]);
    servers
        .vhost
        .publish("investigation-api", now, InvestigatorDigest { count, hash, at: now })
        .await;
}

async fn execution(client: &Client, url: &str, id: &str) -> Option<Value> {
    let answer = client
        .get(format!("{url}/v1/executions/{id}"))
        .header("x-migapikey", KEY)
        .send()
        .await
        .ok()?;
    answer.json().await.ok()
}

/// Makes a chain of HTTP steps, each after a moment in which the scheduler may be killed.
fn chain(server: &Counting, delay: u64) -> Value {
    let steps: Map<_, _> = (0..STEPS)
        .map(|at| {
            let id = if at == 0 { "a".into() } else { format!("a{at}") };
            let next = if at + 1 == STEPS { "e".into() } else { format!("a{}", at + 1) };
            let command = json!({"type": "http-api", "command": format!("POST /step/{at} HTTP/1.1")});
            (id, json!({"type": "action", "commands": [command], "agent": "g", "targets": ["t"], "on_completion": next, "delay": delay}))
        })
        .collect();
    playbook(
        steps.into(),
        &json!({
            "agent_definitions": {"g": {"type": "soarca", "name": "soarca-http-api"}},
            "target_definitions": {"t": {"type": "http-api", "name": "t", "address": {"url": [server.url()]}}},
        }),
    )
}

async fn trigger(client: &Client, url: &str, playbook: &Value) -> String {
    let mut id = None;
    // its keys may still be on their way
    until(PATIENCE, async || {
        let request = client
            .post(format!("{url}/trigger/playbook"))
            .header("x-migapikey", KEY)
            .body(playbook.to_string());
        let answer = request.send().await.unwrap();
        if answer.status() != 200 {
            return false;
        }
        let body: Value = answer.json().await.unwrap();
        id = Some(body["execution_id"].as_str().unwrap().to_owned());
        true
    })
    .await;
    id.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_boundary_each_call_is_made_once() {
    let servers = Servers::new().await;
    let server = Counting::new().await;
    let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let mut scheduler = Scheduler::start(&servers).await;
    introduce(&servers).await;
    let id = trigger(&client, &scheduler.url, &chain(&server, 2_500)).await;
    for at in 1..=STEPS {
        // as soon as a step is written down as done, the process is gone
        until(PATIENCE, async || {
            let now = execution(&client, &scheduler.url, &id).await;
            let done = |now: &Value| {
                now["steps"].as_array().map_or(0, |steps| {
                    steps
                        .iter()
                        .filter(|step| step["type"] == "action" && step["state"] == "succeeded")
                        .count()
                })
            };
            now.as_ref().map_or(0, done) >= at
        })
        .await;
        scheduler.kill();
        scheduler = Scheduler::start(&servers).await;
        introduce(&servers).await;
    }
    until(PATIENCE, async || {
        execution(&client, &scheduler.url, &id).await.is_some_and(|now| now["state"] == "succeeded")
    })
    .await;
    let asked: Vec<_> = server.asked().into_iter().map(|asked| asked.line).collect();
    let want: Vec<_> = (0..STEPS).map(|at| format!("POST /step/{at}")).collect();
    assert_eq!(asked, want);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_call_it_is_not_made_again_unless_that_is_safe() {
    let servers = Servers::new().await;
    let server = Counting::held().await;
    let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let mut scheduler = Scheduler::start(&servers).await;
    introduce(&servers).await;
    let once = chain(&server, 0);
    let mut again = chain(&server, 0);
    again["id"] = json!(format!("playbook--{}", uuid::Uuid::now_v7()));
    again["workflow"]["a"]["commands"][0]["x-writ-repeatable"] = json!(true);
    again["workflow"]["a"]["commands"][0]["command"] = json!("POST /again HTTP/1.1");
    again["workflow"]["a"]["on_completion"] = json!("e");
    let (once, again) = (
        trigger(&client, &scheduler.url, &once).await,
        trigger(&client, &scheduler.url, &again).await,
    );
    until(PATIENCE, async || server.asked().len() == 2).await;
    scheduler.kill();
    scheduler = Scheduler::start(&servers).await;
    introduce(&servers).await;
    until(PATIENCE, async || server.asked().len() == 3).await;
    for _ in 0..3 {
        server.let_go();
    }
    until(PATIENCE, async || {
        let first = execution(&client, &scheduler.url, &once).await;
        let second = execution(&client, &scheduler.url, &again).await;
        first.is_some_and(|now| now["state"] == "failed")
            && second.is_some_and(|now| now["state"] == "succeeded")
    })
    .await;
    let reason = execution(&client, &scheduler.url, &once).await.unwrap()["reason"].to_string();
    assert!(reason.contains("it may have been done or not"), "{reason}");
    let asked = server.asked();
    let keys: Vec<_> = asked
        .iter()
        .filter(|asked| asked.line == "POST /again")
        .map(|asked| &asked.headers["idempotency-key"])
        .collect();
    assert_eq!((keys.len(), asked.len()), (2, 3));
    assert_eq!(keys[0], keys[1], "the other side can tell");
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_manual_steps_outlive_the_process() {
    const PENDING: usize = 20;
    let servers = Servers::new().await;
    let mut tap = Tap::new(&servers.vhost).await;
    let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let mut scheduler = Scheduler::start(&servers).await;
    introduce(&servers).await;
    let question = crate::playbook_house::field("one-question");
    let mut waiting = Vec::new();
    for _ in 0..PENDING {
        waiting.push(trigger(&client, &scheduler.url, &question).await);
    }
    // some requests may still be on their way
    scheduler.kill();
    scheduler = Scheduler::start(&servers).await;
    introduce(&servers).await;
    let mut asked = std::collections::BTreeMap::new();
    while asked.len() < PENDING {
        let one = tap.next::<ManualRequested>().await.data;
        asked.insert(one.execution_id.to_string(), one);
    }
    for one in asked.values() {
        let at = Clock::system().now();
        let answered = ManualAnswered {
            step: one.step,
            execution_id: one.execution_id,
            outcome: ManualOutcome::Success,
            variables: [("__answer__".to_owned(), "yes".to_owned())].into(),
            answered_by: "bob".into(),
            at,
        };
        servers.vhost.publish("manual-interaction", at, answered).await;
    }
    for id in waiting {
        until(PATIENCE, async || {
            execution(&client, &scheduler.url, &id)
                .await
                .is_some_and(|now| now["state"] == "succeeded")
        })
        .await;
    }
}
