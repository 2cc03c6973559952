//! The database is away.

use crate::support::{READER, WRITER, gateway_through};
use serde_json::json;
use std::time::Duration;
use testkit::{PATIENCE, until};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_turned_away_for_good_while_the_database_is_gone() {
    let (mut gateway, line) = gateway_through().await;
    let agent = gateway.online("one").await;
    line.cut();
    let name = json!({"name": "x"});
    for answer in [
        gateway.get("/v1/agents", READER).await,
        gateway.post("/v1/teams", WRITER, &name).await,
        gateway.get("/agent/v1/work", &agent.token).await,
        gateway.post("/agent/v1/results", &agent.token, &json!({"items": []})).await,
    ] {
        let problem = answer.expect(503).json();
        assert_eq!(problem["code"], "unavailable");
        assert!(!problem["detail"].as_str().unwrap().contains("select"), "{problem}");
    }
    // neither needs it
    gateway.get("/api/v1/heartbeat", "").await.expect(200);
    gateway.get("/api/v1/ip", "").await.expect(200);

    line.resume();
    until(PATIENCE, async || gateway.get("/agent/v1/work", &agent.token).await.status == 200).await;
    // who was heard while it could not be written down is not forgotten
    let app = &gateway.running.service.app;
    gateway.clock.advance(time::Duration::seconds(1));
    gateway.get("/agent/v1/work", &agent.token).await.expect(200);
    app.write_seen().await.unwrap();
    gateway.issue(7, &[(70, agent.number)]).await;
    assert_eq!(
        tokio::time::timeout(Duration::from_secs(30), gateway.work(&agent)).await.unwrap().len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_would_end_is_answered_when_the_database_is_back() {
    let (mut gateway, line) = gateway_through().await;
    let agent = gateway.enrol("one").await;
    gateway.get("/api/agent", &agent.token).await.expect(200);
    let code = gateway.device_code().await;
    line.cut();
    let (oneself, tasks, token) = tokio::join!(
        gateway.get("/api/agent", &agent.token),
        gateway.get("/api/agent/tasks", &agent.token),
        async {
            let asked = gateway.poll_token(&code);
            let mut asked = std::pin::pin!(asked);
            let held = tokio::time::timeout(Duration::from_secs(2), asked.as_mut()).await;
            assert!(held.is_err(), "{held:?}");
            line.resume();
            asked.await
        },
    );
    oneself.expect(200);
    tasks.expect(200);
    assert_eq!(token.expect(400).json()["error"], "authorization_pending");
}
