//! The published agents live for days (specs/runbook/backend.md §5): each as it is, with everything that people do to
//! it meanwhile, and with another replica of the service in the middle.

use crate::runbook::{enrol, enrol_as, task, tools};
use crate::scripted::{Poll, Scripted, Version, pause};
use crate::support::{Answer, Gateway, WRITER, count, gateway, start};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use testkit::{Database, PATIENCE, until};
use time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Is what stands before the replicas, as a Kubernetes service does: new connections go to the one that was named last.
#[derive(Clone)]
struct Door(Arc<Mutex<(SocketAddr, HashMap<SocketAddr, usize>)>>);

#[expect(clippy::disallowed_methods, reason = "the door is no part of a service")]
impl Door {
    fn new(first: SocketAddr) -> Self {
        Self(Arc::new(Mutex::new((first, HashMap::new()))))
    }

    async fn open(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = self.clone();
        tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                let target = {
                    let (target, open) = &mut *door.0.lock().unwrap();
                    *open.entry(*target).or_default() += 1;
                    *target
                };
                let door = door.clone();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut caller, &mut server).await;
                    *door.0.lock().unwrap().1.get_mut(&target).unwrap() -= 1;
                });
            }
        });
        address
    }

    /// Leads to `new` from now on; comes back when nobody is with the one before, as its `preStop` waits for.
    async fn turn(&self, new: SocketAddr) {
        let old = std::mem::replace(&mut self.0.lock().unwrap().0, new);
        until(PATIENCE, async || self.0.lock().unwrap().1.get(&old).is_none_or(|open| *open == 0))
            .await;
    }
}

/// Is a person who comes through the same door as the agent.
struct Person<'a> {
    client: Client,
    url: String,
    database: &'a Database,
}

impl Person<'_> {
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        // as the agents do: nobody stays with a replica that is to stop
        let request = self.client.request(method, format!("{}{path}", self.url));
        let mut request = request.bearer_auth(WRITER).header("connection", "close");
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    async fn task(&self, agent: &str, command: &str, cron: Value, arguments: Value) -> String {
        let new =
            json!({"agent_id": agent, "command": command, "cron": cron, "arguments": arguments});
        let made = self.call(Method::POST, "/v1/tasks", Some(&new)).await.expect(201).json();
        made["id"].as_str().unwrap().into()
    }

    async fn read(&self, task: &str) -> Value {
        self.call(Method::GET, &format!("/v1/tasks/{task}"), None).await.expect(200).json()
    }

    async fn assign(&self, agent: &str, plugins: &[&str]) {
        let path = format!("/v1/agents/{agent}/plugins");
        self.call(Method::PUT, &path, Some(&json!(plugins))).await.expect(200);
    }
}

/// Lets an agent sync so often, a minute apart and with a night after each hundred; before each sync a person may do
/// something. Half way another replica takes over, and the first one stops gracefully.
async fn live(
    gateway: Gateway,
    agent: &mut Scripted,
    syncs: usize,
    mut before: impl AsyncFnMut(&Person<'_>, usize, &mut Scripted),
    after: impl AsyncFnOnce(&Person<'_>, &mut Scripted),
) {
    let door = Door::new(gateway.running.address);
    agent.server = door.open().await;
    let url = format!("http://{}", agent.server);
    let Gateway { running: old, clock, vhost, database, client, .. } = gateway;
    let person = Person { client, url, database: &database };
    let (middle, started) = tokio::sync::oneshot::channel();
    let mut middle = Some(middle);
    let life = async {
        for sync in 0..syncs {
            if sync == syncs / 2 {
                middle.take().unwrap().send(()).unwrap();
            }
            clock.advance(if sync % 100 == 99 { Duration::hours(9) } else { Duration::minutes(1) });
            before(&person, sync, agent).await;
            agent.sync().await.unwrap_or_else(|exit| panic!("ended at sync {sync}: {exit}"));
            pause().await;
        }
        after(&person, agent).await;
    };
    let restart = async {
        started.await.unwrap();
        let new = start(database.url(), &vhost, &clock, &[]).await;
        door.turn(new.address).await;
        old.stop().await.unwrap();
        new
    };
    let ((), new) = tokio::join!(life, restart);
    new.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_released_agent_lives_through_a_thousand_syncs() {
    let gateway = gateway().await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let echo = format!("{plugin}.echo");
    let often = task(&gateway, &id, &echo, json!("* * * * *"), json!({"value": 1})).await;
    let mut made = Vec::new();
    let before = async |person: &Person<'_>, sync: usize, agent: &mut Scripted| {
        if sync % 100 == 50 {
            made.push(person.task(&id, &echo, Value::Null, json!({"value": sync})).await);
        }
        if sync == 700 {
            // the machine starts anew: it knows who it is and has its plugins
            agent.restart();
            assert_eq!(agent.start().await.unwrap(), Poll::Done);
        }
        if sync == 800 {
            let path = format!("/v1/tasks/{often}");
            person.call(Method::DELETE, &path, None).await.expect(204);
        }
    };
    live(gateway, &mut agent, 1_000, before, async |person, agent| {
        // what it has in its schedule stays there until it starts anew, and what comes back is taken
        assert_eq!((agent.lost, agent.ran[&often]), (0, 1_000));
        assert_eq!((agent.codes, agent.fetched), (1, 1));
        let told = person.read(&often).await;
        assert_eq!(told["state"], "withdrawn");
        let runs = format!("task_run where task = '{often}'");
        // 800 before the end, one at its very moment, and the latest echo
        assert_eq!(count(person.database, &runs).await, 802);
    })
    .await;
    assert_eq!(made.len(), 10);
    assert!(made.iter().all(|task| agent.ran[task] == 1), "a task that runs once runs once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_agent_lives_for_days_and_tells_nothing() {
    let gateway = gateway().await;
    let (plugin, other) = (tools(&gateway).await, tools(&gateway).await);
    let (mut agent, id) = enrol_as(&gateway, Version::First, &[&plugin]).await;
    let (echo, later) = (format!("{plugin}.echo"), format!("{other}.echo"));
    let often = task(&gateway, &id, &echo, json!("*/5 * * * *"), json!({"value": 1})).await;
    let mut made = Vec::new();
    let before = async |person: &Person<'_>, sync: usize, _: &mut Scripted| match sync {
        50 => person.assign(&id, &[&plugin, &other]).await,
        60 | 120 | 180 => {
            made.push(person.task(&id, &later, Value::Null, json!({"value": sync})).await);
        }
        _ => {}
    };
    live(gateway, &mut agent, 300, before, async |person, agent| {
        assert_eq!((agent.ran[&often], agent.fetched, agent.codes), (300, 2, 1));
        assert_eq!(count(person.database, "task_run").await, 0);
        let told = person.read(&often).await;
        assert_eq!((&told["state"], &told["runs"]), (&json!("offered"), &json!([])));
    })
    .await;
    assert!(made.iter().all(|task| agent.ran[task] == 1), "a task that runs once runs once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_staging_agent_lives_for_days_whatever_is_taken_from_it() {
    for force_redownload in [false, true] {
        let gateway = gateway().await;
        let (plugin, other) = (tools(&gateway).await, tools(&gateway).await);
        let version = Version::Staging { force_redownload };
        let (mut agent, id) = enrol_as(&gateway, version, &[&plugin, &other]).await;
        let (echo, double) = (format!("{plugin}.echo"), format!("{other}.double"));
        let often = task(&gateway, &id, &echo, json!("@hourly"), json!({"value": 1})).await;
        let second = task(&gateway, &id, &double, json!("@daily"), json!({"number": 2})).await;
        let third = Mutex::new(String::new());
        let before = async |person: &Person<'_>, sync: usize, agent: &mut Scripted| match sync {
            40 => {
                let path = format!("/v1/tasks/{often}");
                person.call(Method::DELETE, &path, None).await.expect(204);
            }
            80 => person.assign(&id, &[&plugin]).await,
            90 => {
                // taken away between two questions of one sync, and a one-shot task with it
                person.assign(&id, &[&plugin, &other]).await;
                let made = person.task(&id, &double, Value::Null, json!({"number": 3})).await;
                *third.lock().unwrap() = made;
                let listed = agent.look().await.unwrap();
                person.assign(&id, &[&plugin]).await;
                agent.load(&listed).await.unwrap();
                agent.work().await.unwrap();
            }
            120 => person.assign(&id, &[]).await,
            150 => agent.restart(),
            160 => person.assign(&id, &[&other]).await,
            _ => {}
        };
        live(gateway, &mut agent, 250, before, async |person, agent| {
            assert_eq!((agent.ran[&often], agent.ran[&second], agent.lost), (40, 80, 0));
            assert!(agent.scheduled.is_empty());
            // with the key every plugin that it should have is fetched with every sync, and once more between two
            // questions
            let each = 2 * 80 + 10 + 2 + 30 + 90;
            assert_eq!(agent.fetched, if force_redownload { each } else { 2 });
            let third = third.lock().unwrap().clone();
            assert!(!agent.ran.contains_key(&third));
            for task in [&often, &second, &third] {
                assert_eq!(person.read(task).await["state"], "withdrawn");
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_anew_while_its_code_waits_still_gets_its_token() {
    let gateway = gateway().await;
    let mut agent = Scripted::new(gateway.running.address, None);
    // a supervisor that starts it again and again: the same code, polled at once each time, never refused
    for _ in 0..20 {
        agent.restart();
        assert_eq!(agent.start().await.unwrap(), Poll::Pending);
    }
    assert_eq!(agent.codes, 1);
    // the service starts anew as well
    let other = start(gateway.database.url(), &gateway.vhost, &gateway.clock, &[]).await;
    agent.server = other.address;
    assert_eq!(agent.start().await.unwrap(), Poll::Pending);
    // nobody came in time: it asks for another code at once, and that one waits
    gateway.clock.advance(Duration::minutes(10));
    assert_eq!(agent.start().await.unwrap(), Poll::Pending);
    // a person refuses it: it ends, with each start until the code is dead
    let code = agent.code.clone().unwrap();
    let path = format!("/v1/device-codes/{}/deny", code["user_code"].as_str().unwrap());
    gateway.post(&path, WRITER, &json!({})).await.expect(204);
    for _ in 0..3 {
        agent.restart();
        assert!(agent.start().await.unwrap_err().contains("access_denied"));
    }
    gateway.clock.advance(Duration::minutes(10));
    assert_eq!(agent.start().await.unwrap(), Poll::Pending);
    let code = agent.code.clone().unwrap();
    gateway.approve(&code, &json!({"name": "patient"})).await.expect(200);
    agent.restart();
    assert_eq!((agent.start().await.unwrap(), agent.codes), (Poll::Done, 3));
    agent.sync().await.unwrap();
    agent.restart();
    assert_eq!((agent.start().await.unwrap(), agent.codes), (Poll::Done, 3));
    // its token is gone: it goes on with the code that it redeemed, learns that it is dead, and asks for another one
    agent.token = None;
    assert_eq!((agent.start().await.unwrap(), agent.codes), (Poll::Pending, 4));
    other.stop().await.unwrap();
}
