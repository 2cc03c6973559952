//! What operators look at exists: every metric in an alert or a dashboard, every alert's page, every page's alert.

use crate::house::{House, SERVICES, root};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const RULES: &str = "deploy/helm/writ/files/alerts.yaml";
const DASHBOARDS: &str = "deploy/helm/writ/files/dashboards";
/// Begin the names of metrics that are ours; the rest of a query is functions and labels.
const OURS: [&str; 4] = ["writ_", "http_server_", "messaging_", "db_client_"];

/// Is seen only where certificates are used: `crates/service/tests/it/start.rs` and `scripts/images --check` see it.
const ELSEWHERE: &str = "writ_certificate_expiration_timestamp_seconds";

/// Lists the names of metrics in a query.
fn metrics(query: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut names = BTreeSet::new();
    for part in query.split(|c| !word(c)).filter(|part| OURS.iter().any(|o| part.starts_with(o))) {
        names.insert(part.to_owned());
    }
    names
}

/// Lists the queries of the alerts, by name.
fn alerts() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join(RULES)).unwrap();
    let mut found = Vec::new();
    let mut name = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(alert) = line.strip_prefix("- alert: ") {
            alert.clone_into(&mut name);
        } else if let Some(query) = line.strip_prefix("expr: ") {
            found.push((name.clone(), serde_json::from_str::<String>(query).unwrap()));
        }
    }
    found
}

/// Lists the queries of the dashboards, by title.
fn panels() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(DASHBOARDS)).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = format!("{} / {}", dashboard["title"], panel["title"]);
            for target in panel["targets"].as_array().unwrap() {
                found.push((title.clone(), target["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    found
}

#[test]
fn each_alert_has_its_page_and_its_test() {
    let alerts: BTreeSet<String> = alerts().into_iter().map(|(name, _)| name).collect();
    let pages = std::fs::read_dir(root().join("proto-docs/runbooks")).unwrap();
    let pages: BTreeSet<String> = pages
        .map(|page| page.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(alerts, pages);
    let tests = std::fs::read_to_string(root().join("deploy/alerts/tests.yaml")).unwrap();
    for alert in alerts {
        let page = root().join(format!("proto-docs/runbooks/{alert}.md"));
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.starts_with(&format!("# {alert}\n")), "{alert}");
        for part in ["## Impact", "## Diagnosis", "## Mitigation", "## Escalation"] {
            assert!(page.contains(part), "{alert} has no {part}");
        }
        assert!(tests.contains(&format!("    name: {alert}\n")), "{alert} has no test");
    }
}

#[test]
fn dashboards_are_what_grafana_takes() {
    let mut uids = BTreeSet::new();
    for entry in std::fs::read_dir(root().join(DASHBOARDS)).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        assert!(uids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{}", dashboard["uid"]);
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_i64().unwrap()), "{}", panel["title"]);
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
            let place = &panel["gridPos"];
            assert!(place["x"].as_i64().unwrap() + place["w"].as_i64().unwrap() <= 24);
        }
    }
    assert_eq!(uids.len(), 4);
}

/// Has Prometheus' own checker judge what a service says of itself. Where there is none, `scripts/test` counts a check
/// as skipped.
fn promtool(service: &str, text: &str) {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match (child, std::env::var_os("WRIT_TEST_SKIPPED")) {
        (Ok(child), _) => child,
        (Err(_), Some(list)) => {
            let line = "skipped: the form of the services' metrics: promtool is missing\n";
            return std::fs::write(list, line).unwrap();
        }
        (Err(error), None) => panic!("promtool (Debian's package prometheus): {error}"),
    };
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let out = child.wait_with_output().unwrap();
    let said = [out.stderr, out.stdout].map(|said| String::from_utf8_lossy(&said).into_owned());
    let said = said.concat();
    // OpenTelemetry's convention names a gauge so, and Prometheus wants that ending for parts of histograms
    let wrong = said.lines().filter(|line| !line.starts_with("db_client_connection_count "));
    let wrong: Vec<_> = wrong.filter(|line| !line.trim().is_empty()).collect();
    assert!(wrong.is_empty(), "{service}: {wrong:#?}");
}

/// Scrapes all services until every metric that an alert or a dashboard asks for was seen.
pub(crate) async fn every_metric_exists(house: &House) {
    let http = reqwest::Client::builder().build().unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let mut seen = BTreeSet::new();
        for service in SERVICES {
            let url = format!("{}/metrics", house.service_var(service, "ADMIN_URL"));
            let text = http.get(url).send().await.unwrap().text().await.unwrap();
            promtool(service, &text);
            for line in text.lines().filter(|line| !line.starts_with('#')) {
                let (name, labels) = line.split_once('{').unwrap_or((line, ""));
                seen.insert(name.split(' ').next().unwrap().to_owned());
                // labels may begin as metrics do
                let parts = labels.split(['{', ',']).filter_map(|part| part.split_once("=\""));
                seen.extend(parts.map(|(label, _)| label.to_owned()));
            }
        }
        let asked = alerts().into_iter().chain(panels());
        let missing: Vec<_> = asked
            .flat_map(|(who, query)| metrics(&query).into_iter().map(move |m| (who.clone(), m)))
            .filter(|(_, metric)| !seen.contains(metric) && metric != ELSEWHERE)
            .collect();
        if missing.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "nobody has {missing:#?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
