//! One process, one environment, five databases, one public origin.

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use testkit::{Database, PATIENCE, until};

const SERVICES: [&str; 5] =
    ["agent-gateway", "investigation-api", "loader-manifest", "manual-interaction", "scheduler"];

/// Makes a database for each service and gives the environment of the process.
async fn environment() -> (Vec<Database>, BTreeMap<String, String>) {
    let mut databases = Vec::new();
    let mut environment = BTreeMap::new();
    for service in SERVICES {
        let prefix = format!("WRIT_{}", service.replace('-', "_").to_uppercase());
        let database = Database::new(service, vec![]).await;
        environment.insert(format!("{prefix}_DATABASE_URL"), database.url().to_owned());
        environment.insert(format!("{prefix}_DATABASE_POOL"), "3".into());
        for port in ["LISTEN", "ADMIN_LISTEN"] {
            environment.insert(format!("{prefix}_{port}"), "127.0.0.1:0".into());
        }
        databases.push(database);
    }
    environment.insert("WRIT_LISTEN".into(), "127.0.0.1:0".into());
    (databases, environment)
}

/// Reads the log until all serve; gives the public address, and those of each service with its admin port.
fn addresses(child: &mut Child) -> (String, BTreeMap<String, (String, String)>) {
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let mut own = BTreeMap::new();
    for line in BufReader::new(child.stderr.as_mut().unwrap()).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if line["message"] == "serving" {
            let addresses = (text(&line, "address"), text(&line, "admin"));
            own.insert(text(&line, "service"), addresses);
        }
        if line["message"] == "all services are served" {
            return (text(&line, "address"), own);
        }
    }
    panic!("it ended before it served");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_serves_the_whole_house() {
    let (_databases, environment) = environment().await;
    let vhost = testkit::vhost().await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_all-in-one"));
    command.envs(&environment).env("AMQP_URL", vhost.url()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (public, own) = addresses(&mut child);
    assert_eq!(own.keys().map(String::as_str).collect::<Vec<_>>(), SERVICES);

    let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let get = async |at: &str, path: &str| {
        let answer = http.get(format!("http://{at}{path}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for (service, (address, admin)) in &own {
        until(PATIENCE, async || get(admin, "/readyz").await.0 == 200).await;
        let (_, document) = get(address, "/openapi.json").await;
        assert!(document.contains(&format!("Writ {service}")), "{document}");
    }
    for (path, status, word) in [
        ("/api/v1/action?actionid=1", 401, "Valid authentication header not found"),
        ("/v1/actions/1", 401, "unauthorized"),
        ("/v1/agents", 401, "unauthorized"),
        ("/agent/v1/work", 401, ""),
        ("/v1/steps", 401, "unauthorized"),
        ("/v1/nothing", 404, "no-route"),
        ("/api/v1/nothing", 404, "404 page not found"),
        ("/openapi.json", 404, "no-route"),
    ] {
        let (got, text) = get(&public, path).await;
        assert!(got == status && text.contains(word), "{path}: {got} {text}");
    }
    // every service asked for the investigators, and their owner answered
    for (service, (_, admin)) in &own {
        let fresh = async || get(admin, "/readyz").await.1.contains("\"state\":\"ready\"");
        until(PATIENCE, fresh).await;
        assert_eq!(get(admin, "/livez").await.0, 200, "{service}");
    }

    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut stderr = child.stderr.take().unwrap();
    let rest = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stderr, &mut text).unwrap();
        (text, child.wait().unwrap())
    });
    let (text, ended) = rest.await.unwrap();
    assert_eq!(ended.code(), Some(0), "{text}");
}
