//! A copy of the agents asks for all of them.

use crate::support::{WRITER, gateway, start};
use std::collections::BTreeSet;
use std::time::Duration;
use testkit::Answer;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_revoked_at_one_replica_is_dead_at_the_other() {
    let mut gateway = gateway().await;
    let agent = gateway.enrol("one").await;
    let other = start(gateway.database.url(), &gateway.vhost, &gateway.clock, &[]).await;
    let ask = async || {
        let request = gateway.client.get(format!("{}/api/agent", other.url()));
        Answer::of(request.bearer_auth(&agent.token).send().await.unwrap()).await
    };
    ask().await.expect(200);
    let path = format!("/v1/agents/{}", agent.id);
    gateway.call(reqwest::Method::DELETE, &path, WRITER, None).await.expect(204);
    ask().await.expect(401);
}
