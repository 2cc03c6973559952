//! Agents wait for work.

use crate::support::{WRITER, gateway, polled, start};
use reqwest::Method;
use serde_json::Value;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_agent_is_woken_at_once() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let mut best = Duration::MAX;
    // the machine may be busy: one quick wake proves that it is one, for looking again takes a second
    for command in 70..76 {
        let issue = async {
            gateway.polled().await;
            gateway.issue(command, &[(command, agent.number)]).await;
            Instant::now()
        };
        let poll = async {
            let items = gateway.work(&agent).await;
            (items, Instant::now())
        };
        let (issued, (items, answered)) = tokio::join!(issue, poll);
        assert_eq!(items.len(), 1);
        best = best.min(answered.saturating_duration_since(issued));
    }
    assert!(best < Duration::from_millis(100), "{best:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_when_it_was_asked_to() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let start = Instant::now();
    let work = gateway.get("/agent/v1/work?wait=1", &agent.token).await.expect(200).json();
    assert_eq!(work["items"], Value::Array(Vec::new()));
    assert!((Duration::from_secs(1)..Duration::from_secs(10)).contains(&start.elapsed()));
    gateway.get("/agent/v1/work?wait=61", &agent.token).await.expect(422);
    gateway.get("/agent/v1/work?wait=-1", &agent.token).await.expect(400);
    gateway.get("/agent/v1/work?wait=x", &agent.token).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_another_replica_takes_in_arrives_too() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let other = start(gateway.database.url(), &gateway.vhost, &gateway.clock, &[]).await;
    let there = format!("{}/agent/v1/work?wait=30", other.url());
    // whichever replica takes the message in, the poll waits at the other one in about half of the rounds
    for command in 70..78 {
        let issue = async {
            polled(&other).await;
            gateway.issue(command, &[(command, agent.number)]).await;
        };
        let poll = gateway.client.get(&there).bearer_auth(&agent.token).send();
        let start = Instant::now();
        let ((), answer) = tokio::join!(issue, poll);
        let work: Value = answer.unwrap().json().await.unwrap();
        assert_eq!(work["items"].as_array().unwrap().len(), 1);
        assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_revoked_while_it_waits_is_told() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let path = format!("/v1/agents/{}", agent.id);
    let revoke = async {
        gateway.polled().await;
        gateway.call(Method::DELETE, &path, WRITER, None).await.expect(204);
        Instant::now()
    };
    let poll = async {
        gateway.get("/agent/v1/work?wait=30", &agent.token).await.expect(401);
        Instant::now()
    };
    let (revoked, told) = tokio::join!(revoke, poll);
    assert!(told.saturating_duration_since(revoked) < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_agents_are_let_go_when_the_process_ends() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let url = gateway.url("/agent/v1/work?wait=60");
    let poll = gateway.client.get(url).bearer_auth(&agent.token).send();
    let shutdown = gateway.running.parts.shutdown.clone();
    let stop = async {
        gateway.polled().await;
        shutdown.trigger();
        Instant::now()
    };
    let (answer, start) = tokio::join!(poll, stop);
    assert_eq!(answer.unwrap().status(), 200);
    assert!(start.elapsed() < Duration::from_secs(10));
    gateway.running.stop().await.unwrap();
}
