//! Agents are named after the loaders on their machines.

use crate::support::{READER, gateway};
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use std::collections::BTreeMap;
use std::time::Duration as Wait;
use testkit::{PATIENCE, until};
use types::messages::{AgentChanged, LoaderChanged, LoaderDigest, ReplicaRequested};
use types::{Environment, LoaderId};

fn loader(id: i64, name: &str, queueloc: Option<&str>, version: i64) -> LoaderChanged {
    LoaderChanged {
        id: LoaderId(id),
        name: name.into(),
        agent_name: Some("web-1".into()),
        queueloc: queueloc.map(Into::into),
        environment: Environment::default(),
        tags: BTreeMap::new(),
        enabled: true,
        expect: String::new(),
        last_seen: time::OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(version),
        version,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_named_after_its_loader_whoever_comes_first() {
    let mut gateway = gateway().await;
    let agent = gateway.online("one").await;
    let path = format!("/v1/agents/{}", agent.id);
    let now = gateway.now();
    let mut conn = gateway.database.store().get().await.unwrap();
    store::sql("update agent set queueloc = $2 where number = $1")
        .bind::<BigInt, _>(agent.number.0)
        .bind::<Text, _>("linux.web-1.a")
        .execute(&mut conn)
        .await
        .unwrap();
    gateway.get(&path, READER).await.expect(200);

    // the agent was there before its loader was heard
    gateway.vhost.publish("loader-manifest", now, loader(7, "web", None, 1)).await;
    gateway.vhost.publish("loader-manifest", now, loader(7, "web", Some("linux.web-1.a"), 2)).await;
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told.number, told.loader_name.as_str()), (agent.number, "web"));

    // an older word and the same again change nothing
    gateway
        .vhost
        .publish("loader-manifest", now, loader(7, "older", Some("linux.web-1.a"), 1))
        .await;
    gateway.vhost.publish("loader-manifest", now, loader(7, "web", Some("linux.web-1.a"), 3)).await;
    until(PATIENCE, async || gateway.count("loader where version = 3 and name = 'web'").await == 1)
        .await;
    gateway.tap.none_of("agent.changed.v1", Wait::from_millis(700)).await;

    // the host moves to another key
    gateway.vhost.publish("loader-manifest", now, loader(7, "web", None, 4)).await;
    let told_again = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told_again.number, told_again.loader_name.as_str()), (agent.number, ""));
    assert!(told_again.revision > told.revision);
    gateway
        .vhost
        .publish("loader-manifest", now, loader(8, "moved", Some("linux.web-1.a"), 1))
        .await;
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told.number, told.loader_name.as_str()), (agent.number, "moved"));

    // the loader was there before its agent: whatever tells of the agent, tells the name
    let late = gateway.enrol("late").await;
    store::sql("update agent set queueloc = $2 where number = $1")
        .bind::<BigInt, _>(late.number.0)
        .bind::<Text, _>("linux.late.b")
        .execute(&mut conn)
        .await
        .unwrap();
    store::sql("insert into loader values (9, 'early', 'linux.late.b', now(), 1)")
        .execute(&mut conn)
        .await
        .unwrap();
    gateway.put("/agent/v1/self", &late.token, &crate::support::report()).await.expect(204);
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told.number, told.loader_name.as_str()), (late.number, "early"));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_loaders_are_asked_for_until_all_are_known() {
    let mut gateway = gateway().await;
    let now = gateway.now();
    // one was told of before this copy was begun
    gateway.vhost.publish("loader-manifest", now, loader(7, "web", None, 1)).await;
    let digest = LoaderDigest { loaders: 2, manifests: 9 };
    for _ in 0..2 {
        gateway.vhost.publish("loader-manifest", now, digest.clone()).await;
        let mut asked = gateway.tap.next::<ReplicaRequested>().await.data;
        if asked.of == "investigator" {
            // what every new copy asks first
            asked = gateway.tap.next::<ReplicaRequested>().await.data;
        }
        assert_eq!((asked.of.as_str(), asked.by.as_str()), ("loader", "agent-gateway"));
    }
    gateway.vhost.publish("loader-manifest", now, loader(6, "db", Some("linux.q"), 1)).await;
    gateway.vhost.publish("loader-manifest", now, digest).await;
    gateway.vhost.publish("loader-manifest", now, loader(7, "web", None, 2)).await;
    until(PATIENCE, async || gateway.count("loader where version = 2").await == 1).await;
    gateway.tap.none_of("replica.requested.v1", Wait::from_millis(700)).await;
}
