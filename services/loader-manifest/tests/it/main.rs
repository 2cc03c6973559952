//! The service stands ready and lets nobody in.

use loader_manifest::LoaderManifest;
use service::{Settings, Shutdown};
use testkit::{Database, PATIENCE, until};

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_and_becomes_ready() {
    let (database, vhost) = (Database::new("loader", vec![]).await, testkit::vhost().await);
    let flags = ["--database-url", database.url(), "--amqp-url", vhost.url()];
    let ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let settings = Settings::<LoaderManifest>::parse(flags.iter().chain(&ports)).unwrap();
    let running = service::start(settings, Shutdown::new()).await.unwrap();
    let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let ready = format!("{}/readyz", running.admin_url());
    until(PATIENCE, async || http.get(&ready).send().await.unwrap().status() == 200).await;
    assert_eq!(testkit::unauthorized_coverage(&running.url(), &[]).await, 0);
    running.stop().await.unwrap();
}
