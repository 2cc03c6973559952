//! A thousand steps that wait, while everything is killed.

use crate::process::serving;
use crate::support::{ALICE, Answer, READER, count, investigators, requested, success};
use messaging::Bus;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration as Wait;
use store::Store;
use testkit::{PATIENCE, Process, Server, Services, until};
use time::{Duration, OffsetDateTime};
use tokio::runtime::Handle;
use types::Clock;
use types::messages::ManualRequested;

const STEPS: i64 = 1_000;
/// So many are too late soon.
const SHORT: i64 = 20;

/// Is a process that serves.
struct Serving {
    process: Process,
    url: String,
}

impl Serving {
    fn start(servers: &Services) -> Self {
        let mut child = command(servers).stderr(Stdio::piped()).spawn().unwrap();
        let line = serving(&mut child);
        // what it says from now on is read by nobody
        let mut log = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let url = format!("http://{}", line["address"].as_str().unwrap());
        Self { process: Process(child), url }
    }

    fn kill(mut self) {
        self.process.kill();
    }
}

fn command(servers: &Services) -> Command {
    let program = env!("CARGO_BIN_EXE_manual-interaction");
    Process::command(program, servers.database_url(), servers.amqp_url())
}

fn connect(servers: &Services) -> Store {
    let settings = store::Settings::new(servers.database_url().to_owned());
    Store::new(store::pool(&settings, Handle::current()).unwrap())
}

async fn get(client: &reqwest::Client, url: &str) -> Option<Value> {
    let answer = client.get(url).header("x-migapikey", READER).send().await.ok()?;
    answer.error_for_status().ok()?.json().await.ok()
}

/// Reads the deadlines of all steps that wait, page by page.
async fn deadlines(client: &reqwest::Client, url: &str) -> BTreeMap<String, String> {
    let (mut all, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let path = format!("{url}/v1/steps?state=pending&limit=500{cursor}");
        let page = get(client, &path).await.unwrap();
        for item in page["items"].as_array().unwrap() {
            let word = |name: &str| item[name].as_str().unwrap().to_owned();
            all.insert(word("id"), word("deadline"));
        }
        let Some(next) = page["next"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_steps_and_their_deadlines_survive_the_death_of_everything() {
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(Wait::from_secs(20)).build().unwrap();
    // commits that a kill takes back would be no loss of ours
    let servers = Services::own(&[("PS_DURABLE", "1")]);
    assert!(command(&servers).arg("migrate").status().unwrap().success());
    let store = connect(&servers);
    investigators(&store).await;

    let process = Serving::start(&servers);
    until(PATIENCE, async || servers.keeps_queue("manual-interaction.steps")).await;
    let now: OffsetDateTime = Clock::system().now();
    let steps: Vec<ManualRequested> = (0..STEPS)
        .map(|n| {
            let short = n < SHORT;
            let life = if short {
                Duration::seconds(20)
            } else {
                Duration::hours(1) + Duration::seconds(n)
            };
            requested(now, now + life)
        })
        .collect();
    // put into the outbox of this one, as the scheduler puts them into its own
    let bus =
        Bus::new("scheduler", &messaging::Settings::new(servers.amqp_url().to_owned())).unwrap();
    store
        .tx(async |conn| -> Result<(), store::Failure> {
            Ok(bus.put_all(conn, now, &steps).await?)
        })
        .await
        .unwrap();
    // in the middle of it
    until(PATIENCE, async || count(&store, "step").await > 0).await;
    process.kill();
    servers.kill(Server::RabbitMq);
    servers.kill(Server::Postgres);
    tokio::task::block_in_place(|| servers.restart());
    let store = connect(&servers);
    let process = Serving::start(&servers);
    until(PATIENCE, async || count(&store, "step").await == STEPS).await;
    // and again when all stand there
    servers.kill(Server::Postgres);
    servers.kill(Server::RabbitMq);
    process.kill();
    tokio::task::block_in_place(|| servers.restart());
    let store = connect(&servers);
    let process = Serving::start(&servers);

    until(PATIENCE, async || count(&store, "step where state = 'expired'").await == SHORT).await;
    let found = deadlines(&client, &process.url).await;
    let wanted: BTreeMap<String, String> = steps
        .iter()
        .skip(usize::try_from(SHORT).unwrap())
        .map(|step| {
            let shown = serde_json::to_value(step).unwrap();
            (step.step.to_string(), shown["deadline"].as_str().unwrap().to_owned())
        })
        .collect();
    let differs: Vec<_> = wanted.iter().filter(|(id, at)| found.get(*id) != Some(*at)).collect();
    assert_eq!((found.len(), differs.len()), (wanted.len(), 0), "{:?}", differs.first());
    let last = steps.last().unwrap();
    let answer = client
        .post(format!("{}/manual/continue", process.url))
        .header("x-migapikey", ALICE)
        .json(&success(last))
        .send()
        .await
        .unwrap();
    let answer = Answer::of(answer).await;
    answer.expect(200);
    assert_eq!(count(&store, "step where state = 'answered'").await, 1);
}
