//! The process as an operator sees it: commands, log, probes, signals, exit codes.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use testkit::{Database, PATIENCE, Vhost, until};

struct Servers {
    database: Database,
    vhost: Vhost,
}

impl Servers {
    async fn new() -> Self {
        Self { database: Database::new("manual", vec![]).await, vhost: testkit::vhost().await }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_manual-interaction"));
        command
            .env("WRIT_MANUAL_INTERACTION_DATABASE_URL", self.database.url())
            .env("WRIT_MANUAL_INTERACTION_LISTEN", "127.0.0.1:0")
            .env("WRIT_MANUAL_INTERACTION_ADMIN_LISTEN", "127.0.0.1:0")
            .env("AMQP_URL", self.vhost.url())
            .stderr(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Reads the log up to the line that says where the process serves.
pub(crate) fn serving(child: &mut Child) -> Value {
    let lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let mut said = String::new();
    for line in lines {
        let line = line.unwrap();
        let read: Value = serde_json::from_str(&line).unwrap();
        if read["message"] == "serving" {
            return read;
        }
        said.push_str(&line);
    }
    panic!("it ended before it served: {said}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_serves_until_sigterm_and_ends_well() {
    let servers = Servers::new().await;
    let mut child = servers.command().spawn().unwrap();
    let line = serving(&mut child);
    assert_eq!(line["service"], "manual-interaction");
    let (url, admin) =
        (line["address"].as_str().unwrap().to_owned(), line["admin"].as_str().unwrap().to_owned());
    let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let get =
        async |at: &str, path: &str| http.get(format!("http://{at}{path}")).send().await.unwrap();
    until(PATIENCE, async || get(&admin, "/readyz").await.status() == 200).await;
    assert_eq!(get(&url, "/openapi.json").await.status(), 200);
    let metrics = get(&admin, "/metrics").await.text().await.unwrap();
    assert!(metrics.contains("http_server_request_duration_seconds"), "{metrics}");

    until(PATIENCE, async || {
        let metrics = get(&admin, "/metrics").await.text().await.unwrap();
        metrics.contains("writ_manual_steps_pending")
            && metrics.contains("writ_manual_notifications")
    })
    .await;

    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_their_exit_codes() {
    let servers = Servers::new().await;
    let run = |flags: &[&str]| servers.command().args(flags).output().unwrap();

    let openapi = run(&["openapi"]);
    let document: Value = serde_json::from_slice(&openapi.stdout).unwrap();
    assert_eq!(document["info"]["title"], "Writ manual-interaction");

    let first = run(&["migrate"]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first));
    assert!(text(&first).contains("migrated the database"), "{}", text(&first));
    let second = run(&["migrate"]);
    assert_eq!(second.status.code(), Some(0), "{}", text(&second));
    assert!(!text(&second).contains("migrated the database"), "{}", text(&second));

    let nowhere = "postgres://app:hunter2@127.0.0.1:1/none";
    let failed = run(&["migrate", "--database-url", nowhere, "--start-timeout", "1"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(!text(&failed).contains("hunter2"), "{}", text(&failed));
    let missing = run(&["--amqp-url", "", "--database-url", ""]);
    assert_eq!(missing.status.code(), Some(1), "{}", text(&missing));
    assert_eq!(run(&["--nonsense"]).status.code(), Some(2));
    assert_eq!(run(&["--log", "=,=", "migrate"]).status.code(), Some(1));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}
