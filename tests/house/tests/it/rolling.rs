//! Two processes of each service, and an update that replaces them one by one under load: no request fails, and no
//! order is lost or done twice.
//!
//! The front is told of a process that is no longer ready, as Kubernetes takes it out of a Service's endpoints.

use crate::enrolment::enrol;
use crate::house::{House, SERVICES, alive, free_address, send, until};
use crate::investigator::Investigator;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Is how long a process goes on serving when it is no longer ready.
const LINGER: [&str; 2] = ["--linger", "3"];

/// Is one process of a service.
struct Replica {
    service: &'static str,
    pid: u32,
    address: String,
    admin: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_every_service_fails_no_request_and_loses_no_order() {
    let mut house = House::up();
    let investigator = Arc::new(Investigator::of(&house));
    let (module, _) = enrol(&mut house, &investigator).await;
    let mut replicas = Vec::new();
    for service in SERVICES {
        for _ in 0..2 {
            replicas.push(start(&mut house, service));
        }
    }
    for replica in &replicas {
        ready(replica).await;
    }
    front(&house, &replicas);
    for service in SERVICES {
        // the processes that the house came up with are not part of it
        house.end("TERM", service);
    }

    let over = Arc::new(AtomicBool::new(false));
    let ledger = house.path("ledger");
    let mut callers = tokio::task::JoinSet::new();
    callers.spawn(load(Arc::clone(&investigator), module, ledger.clone(), Arc::clone(&over)));
    for place in 0..replicas.len() {
        let old = &replicas[place];
        send("TERM", old.pid);
        not_ready(old).await;
        let others: Vec<&Replica> = replicas.iter().filter(|other| other.pid != old.pid).collect();
        front(&house, others);
        until("the process is gone", || !alive(old.pid));
        let new = start(&mut house, old.service);
        ready(&new).await;
        replicas[place] = new;
        front(&house, &replicas);
    }
    over.store(true, Ordering::Relaxed);
    let orders = callers.join_next().await.unwrap().unwrap();

    assert!(orders.len() >= replicas.len(), "only {} orders were given", orders.len());
    for id in &orders {
        let completed = |view: &Value| view["status"] == "completed";
        let view = investigator.ask_until(&format!("/v1/actions/{id}"), completed).await;
        assert_eq!(view["counters"]["success"], 1, "{view}");
    }
    let text = std::fs::read_to_string(&ledger).unwrap();
    let mut noted: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
    noted.sort_unstable();
    assert_eq!(noted, (0..orders.len()).collect::<Vec<_>>(), "each order was done once");
}

/// Gives orders and reads, one after the other, until `over`; every answer must be a success at once.
async fn load(
    investigator: Arc<Investigator>,
    module: String,
    ledger: std::path::PathBuf,
    over: Arc<AtomicBool>,
) -> Vec<i64> {
    let mut orders = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let number = orders.len();
        let parameters = json!({"path": ledger, "number": number});
        let name = format!("note {number}");
        let action = investigator.sign(&name, "name='house'", &module, &parameters);
        let accepted = investigator.once(Method::POST, "/v1/actions", Some(&action)).await;
        orders.push(accepted["id"].as_i64().unwrap());
        for path in ["/v1/agents", "/v1/loaders", "/v1/actions/1", "/manual/", "/playbook/"] {
            investigator.once_unless_absent(path).await;
        }
    }
    orders
}

fn start(house: &mut House, service: &'static str) -> Replica {
    let [address, admin] = [(); 2].map(|()| free_address());
    let flags = ["--listen", &address, "--admin-listen", &admin, LINGER[0], LINGER[1]];
    let pid = house.start_another(service, "rolling", &flags);
    Replica { service, pid, address, admin: format!("http://{admin}/readyz") }
}

async fn ready(replica: &Replica) {
    wait_for(replica, "is not ready", |status| status == Some(200)).await;
}

async fn not_ready(replica: &Replica) {
    wait_for(replica, "still says that it is ready", |status| status != Some(200)).await;
}

async fn wait_for(replica: &Replica, what: &str, wanted: impl Fn(Option<u16>) -> bool) {
    let http = reqwest::Client::builder().build().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    loop {
        let answer = http.get(&replica.admin).send().await;
        if wanted(answer.ok().map(|answer| answer.status().as_u16())) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{} {what}", replica.service);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Sets the front up for these processes, and waits until it has taken that in.
fn front<'a>(house: &House, replicas: impl IntoIterator<Item = &'a Replica>) {
    let mut servers = BTreeMap::<&str, String>::new();
    for replica in replicas {
        let line = format!(" server {} max_fails=0;", replica.address);
        servers.entry(replica.service).or_default().push_str(&line);
    }
    let path = house.path("nginx/nginx.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().map(|line| {
        let upstream =
            line.trim().strip_prefix("upstream ").and_then(|rest| rest.split(' ').next());
        match upstream.and_then(|service| Some((service, servers.get(service)?))) {
            Some((service, servers)) => {
                format!("  upstream {service} {{{servers} keepalive 32; }}")
            }
            None => line.to_owned(),
        }
    });
    let text: Vec<String> = lines.collect();
    std::fs::write(&path, text.join("\n")).unwrap();
    let master: u32 =
        std::fs::read_to_string(house.path("nginx/nginx.pid")).unwrap().trim().parse().unwrap();
    let before = workers(master);
    send("HUP", master);
    until("the front has new workers", || workers(master).iter().any(|pid| !before.contains(pid)));
}

fn workers(master: u32) -> Vec<u32> {
    let out =
        Command::new("ps").args(["-o", "pid=", "--ppid", &master.to_string()]).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}
