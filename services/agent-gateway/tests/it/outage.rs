//! The database is away.

use crate::runbook::{enrol, read, task, tools};
use crate::support::{Answer, Gateway, READER, WRITER, gateway_between, gateway_through};
use diesel_async::SimpleAsyncConnection;
use serde_json::json;
use std::time::Duration;
use testkit::{PATIENCE, Proxy, until};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_turned_away_for_good_while_the_database_is_gone() {
    let (mut gateway, line) = gateway_through(&[]).await;
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
    let (gateway, line) = gateway_through(&[]).await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    agent.sync().await.unwrap();
    let daily = task(&gateway, &id, &format!("{plugin}.boom"), json!("@daily"), json!({})).await;
    agent.sync().await.unwrap();
    let token = agent.token.clone().unwrap();
    let code = gateway.device_code().await;
    line.cut();
    let (path, result) = (format!("/api/agent/task/{daily}"), json!({"data": "kept"}));
    let (oneself, tasks, kept, new, token) = tokio::join!(
        gateway.get("/api/agent", &token),
        gateway.get("/api/agent/tasks", &token),
        gateway.post(&path, &token, &result),
        gateway.device_code(),
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
    assert_eq!(tasks.expect(200).json()["data"].as_array().unwrap().len(), 1);
    kept.expect(200);
    assert_eq!(read(&gateway, &daily).await["runs"][0]["data"], "kept");
    assert!(new["device_code"].is_string(), "{new}");
    assert_eq!(token.expect(400).json()["error"], "authorization_pending");
}

/// Makes the first commit of a new row of `table` take its time, in which the line is cut: the commit comes about, and
/// nobody is told.
async fn lose_commit(gateway: &Gateway, line: &Proxy, table: &str) {
    let sleeping = "pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'";
    until(PATIENCE, async || gateway.count(sleeping).await == 1).await;
    line.cut();
    line.resume();
    until(PATIENCE, async || gateway.count(table).await == 1).await;
}

async fn slow_commit(gateway: &Gateway, table: &str) {
    let slow = format!(
        "create sequence commits;
         create function slowly() returns trigger language plpgsql as $$ begin
             if nextval('commits') = 1 then perform pg_sleep(2); end if;
             return null;
         end $$;
         create constraint trigger slowly after insert on {table} deferrable initially deferred
             for each row execute function slowly()"
    );
    gateway.database.store().get().await.unwrap().batch_execute(&slow).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_whose_keeping_nobody_was_told_of_is_kept_once() {
    let (gateway, line) = gateway_through(&[]).await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    agent.sync().await.unwrap();
    let daily = task(&gateway, &id, &format!("{plugin}.boom"), json!("@daily"), json!({})).await;
    agent.sync().await.unwrap();
    slow_commit(&gateway, "task_run").await;
    let (path, token) = (format!("/api/agent/task/{daily}"), agent.token.clone().unwrap());
    let result = json!({"data": "once"});
    let (kept, ()) = tokio::join!(
        gateway.post(&path, &token, &result),
        lose_commit(&gateway, &line, "task_run")
    );
    kept.expect(200);
    let runs = read(&gateway, &daily).await["runs"].clone();
    assert_eq!((runs.as_array().unwrap().len(), &runs[0]["data"]), (1, &json!("once")));
    // the same again is another run
    gateway.post(&path, &token, &result).await.expect(200);
    assert_eq!(read(&gateway, &daily).await["runs"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_has_the_token_whose_making_nobody_was_told_of() {
    let (gateway, line) = gateway_through(&[]).await;
    let code = gateway.device_code().await;
    gateway.approve(&code, &json!({"name": "one"})).await.expect(200);
    slow_commit(&gateway, "agent_token").await;
    let (token, ()) =
        tokio::join!(gateway.poll_token(&code), lose_commit(&gateway, &line, "agent_token"));
    let token = token.expect(200).json();
    gateway.get("/agent/v1/work", token["access_token"].as_str().unwrap()).await.expect(200);
    assert_eq!(gateway.poll_token(&code).await.expect(400).json()["error"], "expired_token");
    assert_eq!(gateway.count("agent_token").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ends_answers_agents_when_the_database_comes_back_in_time() {
    let (gateway, line) = gateway_through(&["--linger", "20", "--drain", "20"]).await;
    let (agent, _) = enrol(&gateway, &[]).await;
    let token = agent.token.clone().unwrap();
    let tasks = async || gateway.get("/api/agent/tasks", &token).await;
    tasks().await.expect(200);
    line.cut();
    let shutdown = gateway.running.parts.shutdown.clone();
    let (before, after) = tokio::join!(tasks(), async {
        // it is at the gateway and waits there
        let waits = std::pin::pin!(tasks());
        tokio::time::timeout(Duration::from_secs(1), waits).await.unwrap_err();
        shutdown.trigger();
        let mut late = std::pin::pin!(tasks());
        let held = tokio::time::timeout(Duration::from_secs(3), late.as_mut()).await;
        assert!(held.is_err(), "{held:?}");
        line.resume();
        late.await
    });
    before.expect(200);
    after.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_answered_while_the_broker_is_away() {
    let (gateway, lines) = gateway_between(&[]).await;
    let plugin = tools(&gateway).await;
    let (mut agent, id) = enrol(&gateway, &[&plugin]).await;
    let ready = async || {
        let admin = format!("{}/readyz", gateway.running.admin_url());
        Answer::of(gateway.client.get(admin).send().await.unwrap()).await
    };
    lines.broker.cut();
    until(PATIENCE, async || ready().await.json()["checks"]["broker"]["ok"] == false).await;
    let readiness = ready().await.expect(200).json();
    assert_eq!(readiness["state"], "degraded", "{readiness}");
    let once =
        task(&gateway, &id, &format!("{plugin}.echo"), json!(null), json!({"value": 1})).await;
    agent.sync().await.unwrap();
    assert_eq!(read(&gateway, &once).await["state"], "done");
    lines.broker.resume();
    until(PATIENCE, async || ready().await.json()["checks"]["broker"]["ok"] == true).await;

    // without the database callers are held, and so they are let come
    lines.database.cut();
    until(PATIENCE, async || ready().await.json()["checks"]["database"]["ok"] == false).await;
    assert_eq!(ready().await.expect(200).json()["checks"]["database"]["needed"], false);
    lines.database.resume();
    agent.sync().await.unwrap();
}
