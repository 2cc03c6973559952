//! Servers that go away and come back.

use crate::support::{Answer, client, process, servers, settings};
use service::Shutdown;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use testkit::{PATIENCE, Proxy, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_server_means_not_ready_but_alive_and_heals_by_itself() {
    let (database, vhost) = servers().await;
    let lines = [Proxy::before(database.url()).await, Proxy::before(vhost.url()).await];
    let (database_url, broker_url) =
        (lines[0].through(database.url()), lines[1].through(vhost.url()));
    let running =
        service::start(settings(&database_url, &broker_url, &[]), Shutdown::new()).await.unwrap();
    let (http, admin) = (client(), running.admin_url());
    let probe = async |path: &str| Answer::of(http.get(format!("{admin}{path}"))).await;
    for (line, name) in lines.iter().zip(["database", "broker"]) {
        until(PATIENCE, async || probe("/readyz").await.status == 200).await;
        line.cut();
        until(PATIENCE, async || probe("/readyz").await.status == 503).await;
        let readiness = probe("/readyz").await.json();
        assert_eq!(readiness["state"], "waiting");
        assert_eq!(readiness["checks"][name]["ok"], false, "{readiness}");
        assert!(readiness["checks"][name]["detail"].is_string(), "{readiness}");
        assert_eq!(probe("/livez").await.status, 200);
        line.resume();
        until(PATIENCE, async || probe("/readyz").await.status == 200).await;
    }
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_servers_that_come_late() {
    let (database, vhost) = servers().await;
    let lines = [Proxy::before(database.url()).await, Proxy::before(vhost.url()).await];
    let (database_url, broker_url) =
        (lines[0].through(database.url()), lines[1].through(vhost.url()));
    let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let flags = ["--listen", "127.0.0.1:0", "--admin-listen", &admin];
    let settings = settings(&database_url, &broker_url, &flags);
    lines.iter().for_each(Proxy::cut);
    let starting = tokio::spawn(service::start(settings, Shutdown::new()));
    let http = client();
    let readiness = async || {
        let answer = http.get(format!("http://{admin}/readyz")).send().await.ok()?;
        answer.json::<serde_json::Value>().await.ok()
    };
    until(PATIENCE, async || readiness().await.is_some_and(|r| r["state"] == "starting")).await;
    lines[0].resume();
    until(PATIENCE, async || {
        readiness().await.is_some_and(|r| r["checks"]["database"]["ok"] == true)
    })
    .await;
    assert!(!starting.is_finished(), "the broker is still away");
    assert_eq!(readiness().await.unwrap()["ready"], false);
    lines[1].resume();
    let running = starting.await.unwrap().unwrap();
    assert_eq!(readiness().await.unwrap()["ready"], true);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_all_on_loan_does_not_turn_callers_away() {
    let process = process(&["--database-pool", "1"]).await;
    let lent = process.running.parts.store.get().await.unwrap();
    // longer than a look at the database may take
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        let ready = process.admin("/readyz").await;
        assert_eq!((ready.status, &ready.json()["checks"]["database"]["ok"]), (200, &true.into()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(lent);
    process.running.stop().await.unwrap();
}
