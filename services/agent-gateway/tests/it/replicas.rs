//! A copy of the agents asks for all of them.

use crate::support::gateway;
use std::collections::BTreeSet;
use std::time::Duration;
use types::messages::{AgentChanged, ReplicaRequested};

#[tokio::test(flavor = "multi_thread")]
async fn every_agent_is_told_again() {
    let mut gateway = gateway().await;
    let numbers = BTreeSet::from([
        gateway.online("one").await.number,
        gateway.enrol("two").await.number,
        gateway.enrol("three").await.number,
    ]);
    let request = |of: &str| ReplicaRequested { of: of.into(), by: "scheduler".into() };
    gateway.vhost.publish("scheduler", gateway.now(), request("agent")).await;
    let mut told = BTreeSet::new();
    for _ in &numbers {
        let agent = gateway.tap.next::<AgentChanged>().await.data;
        assert!(agent.revision >= 1);
        told.insert(agent.number);
    }
    assert_eq!(told, numbers);
    gateway.vhost.publish("scheduler", gateway.now(), request("investigator")).await;
    gateway.tap.none_of("agent.changed.v1", Duration::from_millis(700)).await;
}
