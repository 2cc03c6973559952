//! Whether agents are alive.

use crate::support::{READER, gateway, report};
use serde_json::json;
use std::time::Duration as Wait;
use time::Duration;
use types::api::agent::AgentView;
use types::messages::{AgentChanged, AgentSeen};
use types::{AgentStatus, Transport};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_online_from_its_first_word() {
    let mut gateway = gateway().await;
    let agent = gateway.enrol("one").await;
    gateway.clock.advance(Duration::seconds(3));
    gateway.get("/agent/v1/work", &agent.token).await.expect(200);
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!(
        (told.number, told.status, told.last_seen),
        (agent.number, AgentStatus::Online, gateway.now())
    );

    gateway.put("/agent/v1/self", &agent.token, &report()).await.expect(204);
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told.version.as_str(), told.pid, told.mode.as_str()), ("0.1.0", 4711, "daemon"));
    assert_eq!((told.environment.os.as_str(), told.refreshed), ("linux", gateway.now()));
    assert_eq!(told.environment.modules, ["file"]);

    // the same again is nothing new
    gateway.put("/agent/v1/self", &agent.token, &report()).await.expect(204);
    gateway.tap.none_of("agent.changed.v1", Wait::from_millis(700)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_heard_is_told_in_bulk() {
    let mut gateway = gateway().await;
    let (one, two) = (gateway.online("one").await, gateway.online("two").await);
    let app = &gateway.running.service.app;
    app.announce_seen().await.unwrap();
    while gateway.tap.next_of("agent.seen.v1", Wait::from_millis(700)).await.is_some() {}

    gateway.clock.advance(Duration::seconds(5));
    for agent in [&one, &two, &one] {
        gateway.get("/agent/v1/work", &agent.token).await.expect(200);
    }
    app.announce_seen().await.unwrap();
    let mut seen = gateway.tap.next::<AgentSeen>().await.data.agents;
    seen.sort_by_key(|seen| seen.agent);
    let now = gateway.clock.now();
    assert_eq!(
        seen.iter().map(|seen| (seen.agent, seen.at)).collect::<Vec<_>>(),
        [(one.number, now), (two.number, now)]
    );
    app.write_seen().await.unwrap();
    let view = gateway.get(&format!("/v1/agents/{}", one.id), READER).await.expect(200).json();
    let told: AgentView = serde_json::from_value(view).unwrap();
    assert_eq!(told.last_seen, now);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_agent_fades_and_comes_back() {
    let mut gateway = gateway().await;
    let (silent, loud) = (gateway.online("silent").await, gateway.online("loud").await);
    let app = &gateway.running.service.app;
    gateway.clock.advance(Duration::seconds(91));
    gateway.get("/agent/v1/work", &loud.token).await.expect(200);
    app.write_seen().await.unwrap();
    app.fade_agents().await.unwrap();
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told.number, told.status), (silent.number, AgentStatus::Idle));

    gateway.clock.advance(Duration::minutes(20));
    gateway.get("/agent/v1/work", &loud.token).await.expect(200);
    app.write_seen().await.unwrap();
    app.fade_agents().await.unwrap();
    let gone = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((gone.number, gone.status), (silent.number, AgentStatus::Offline));
    assert!(gone.revision > told.revision);
    let view = gateway.get(&format!("/v1/agents/{}", silent.id), READER).await.json();
    assert_eq!(view["status"], json!("offline"));

    gateway.get("/agent/v1/work", &silent.token).await.expect(200);
    let back = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!(
        (back.number, back.status, back.last_seen),
        (silent.number, AgentStatus::Online, gateway.now())
    );
    gateway.tap.none_of("agent.changed.v1", Wait::from_millis(700)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_polls_each_minute_fades_after_three_syncs() {
    let mut gateway = gateway().await;
    let agent = gateway.enrol("poller").await;
    gateway.get("/api/agent", &agent.token).await.expect(200);
    let told = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((told.status, told.transport), (AgentStatus::Online, Transport::Runbook));
    let path = format!("/v1/agents/{}", agent.id);
    let shown = async |gateway: &crate::support::Gateway| -> AgentView {
        serde_json::from_str(&gateway.get(&path, READER).await.expect(200).text).unwrap()
    };
    for _ in 0..3 {
        gateway.clock.advance(Duration::seconds(60));
        gateway.get("/api/agent/tasks", &agent.token).await.expect(200);
        let app = &gateway.running.service.app;
        app.write_seen().await.unwrap();
        app.fade_agents().await.unwrap();
        let view = shown(&gateway).await;
        assert_eq!((view.status, view.last_seen), (AgentStatus::Online, gateway.now()));
    }
    let heard = gateway.now();
    for (seconds, status) in [(91, AgentStatus::Idle), (100, AgentStatus::Offline)] {
        gateway.clock.advance(Duration::seconds(seconds));
        gateway.running.service.app.fade_agents().await.unwrap();
        let told = gateway.tap.next::<AgentChanged>().await.data;
        assert_eq!((told.number, told.status, told.last_seen), (agent.number, status, heard));
        let view = shown(&gateway).await;
        assert_eq!((view.status, view.last_seen), (status, heard));
        let listed = gateway.get("/v1/agents", READER).await.expect(200).json();
        assert_eq!(listed["items"][0]["status"], json!(status));
    }
    gateway.get("/api/agent/tasks", &agent.token).await.expect(200);
    let back = gateway.tap.next::<AgentChanged>().await.data;
    assert_eq!((back.status, back.last_seen), (AgentStatus::Online, gateway.now()));
}
