//! Servers that go away and come back.

use crate::support::{Answer, client, servers, settings};
use service::Shutdown;
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
