//! What a process says of itself, and how a start fails.

use crate::support::{process, servers, settings};
use diesel_async::SimpleAsyncConnection;
use service::Shutdown;
use std::time::Duration;
use testkit::{PATIENCE, until};

/// Makes a certificate that expires in so many days.
fn certificate(days: u32) -> tempfile::NamedTempFile {
    let (file, key) =
        (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=authority", "-days", &days.to_string(), "-keyout"])
        .arg(key.path())
        .arg("-out")
        .arg(file.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_started_service_describes_itself() {
    let authority = certificate(30);
    let process = process(&["--database-ca-file", authority.path().to_str().unwrap()]).await;
    until(PATIENCE, async || {
        process.admin("/readyz").await.json()["checks"]["broker"]["ok"] == true
    })
    .await;
    let ready = process.admin("/readyz").await;
    assert_eq!(ready.status, 200, "{ready:?}");
    assert_eq!(ready.json()["checks"]["database"]["ok"], true);
    assert_eq!(ready.json()["state"], "degraded", "nobody confirmed the investigators");
    process.confirm().await;
    until(PATIENCE, async || process.admin("/readyz").await.json()["state"] == "ready").await;
    assert_eq!(process.admin("/livez").await.text, "live\n");
    assert_eq!(process.admin("/healthz").await.text, "live\n");
    let lines = process.admin("/readyz?verbose").await.text;
    assert!(lines.starts_with("[+]broker ok\n[+]database ok\n"), "{lines}");
    assert!(lines.ends_with("readyz: ready\n"), "{lines}");

    process.get("/v1/actions/7").await;
    let metrics = process.admin("/metrics").await.text;
    assert!(metrics.contains("http_server_request_duration_seconds_count"), "{metrics}");
    assert!(metrics.contains("http_route=\"/v1/actions/{id}\""), "{metrics}");

    let sample = |begins: &str| {
        let line = metrics.lines().find(|line| line.starts_with(begins));
        line.unwrap_or_else(|| panic!("no {begins}: {metrics}")).to_owned()
    };
    let expires = sample("writ_certificate_expiration_timestamp_seconds{");
    assert!(expires.contains("peer=\"database\"") && expires.contains("usage=\"authority\""));
    let at: f64 = expires.rsplit(' ').next().unwrap().parse().unwrap();
    let days = (at - std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()) / 86_400.0;
    assert!((29.9..=30.0).contains(&days), "{expires}");
    let statements = sample("db_client_operation_duration_seconds_count{");
    assert!(statements.contains("db_system_name=\"postgresql\""), "{statements}");
    let requests = sample("http_server_request_duration_seconds_count{");
    assert!(requests.contains("url_scheme=\"http\""), "{requests}");

    let document = process.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "Writ investigation-api");
    assert!(document["paths"]["/v1/actions/{id}"]["get"].is_object());
    let page = process.get("/docs").await;
    assert!(page.text.contains("/v1/actions/{id}"), "{}", page.text);
    assert_eq!(process.get("/metrics").await.status, 404, "the admin port is apart");
    process.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_schema_is_not_served_and_a_newer_one_is() {
    let process = process(&[]).await;
    let status = async || process.admin("/readyz").await.status;
    until(PATIENCE, async || status().await == 200).await;
    let change = async |statement: &str| {
        let mut conn = process.running.parts.store.get().await.unwrap();
        conn.batch_execute(statement).await.unwrap();
    };
    change("insert into __diesel_schema_migrations (version) values ('99990101000000')").await;
    change(
        "create table kept as select max(version) as version from __diesel_schema_migrations where version < '9999';
         delete from __diesel_schema_migrations where version = (select version from kept)",
    )
    .await;
    until(PATIENCE, async || status().await == 503).await;
    let schema = process.admin("/readyz").await.json()["checks"]["schema"].clone();
    assert!(schema["detail"].as_str().unwrap().contains("lacks the migrations 2"), "{schema}");
    change("insert into __diesel_schema_migrations (version) select version from kept").await;
    until(PATIENCE, async || status().await == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_finds_the_database_as_it_is() {
    let (database, vhost) = servers().await;
    for flags in [&[][..], &[], &["--no-migrate"]] {
        let settings = settings(database.url(), vhost.url(), flags);
        service::start(settings, Shutdown::new()).await.unwrap().stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_its_servers_ends_with_a_clear_word() {
    let (database, vhost) = servers().await;
    let nowhere = "postgres://app:hunter2@127.0.0.1:1/none";
    let waits = ["--start-timeout", "1"];
    let unmigrated = ["--start-timeout", "1", "--no-migrate"];
    let no_broker = "amqp://app:hunter2@127.0.0.1:1/none";
    for (database, broker, flags, word) in [
        (nowhere, vhost.url(), &waits[..], "cannot be migrated"),
        (nowhere, vhost.url(), &unmigrated, "the database is not there after 1 seconds"),
        (database.url(), vhost.url(), &unmigrated, "was the database migrated?"),
        (database.url(), no_broker, &waits, "the broker (AMQP_URL) is not there after 1 seconds"),
    ] {
        let started = service::start(settings(database, broker, flags), Shutdown::new());
        let ended = tokio::time::timeout(Duration::from_secs(20), started).await.unwrap();
        let text = format!("{:#}", ended.err().unwrap());
        assert!(text.contains(word), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let (database, vhost) = servers().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let settings = settings(database.url(), vhost.url(), &["--listen", &address]);
    let error = service::start(settings, Shutdown::new()).await.err().unwrap();
    assert!(format!("{error:#}").contains(&address), "{error:#}");
}
