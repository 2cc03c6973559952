//! Enrolment by the real program.

use crate::starting::ended;
use crate::support::{Machine, Server, TOKEN};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::Command;

fn code(user_code: &str) -> (u16, Value) {
    let address = "https://writ.example.org/device";
    (
        200,
        json!({"device_code": format!("secret-{user_code}"), "user_code": user_code, "verification_uri": address,
            "verification_uri_complete": address, "expires_in": 600, "interval": 1}),
    )
}

fn error(status: u16, error: &str) -> (u16, Value) {
    (status, json!({"error": error, "error_description": "why"}))
}

fn token() -> (u16, Value) {
    (200, json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 1, "scope": ""}))
}

fn enrol(server: &Server, state: &PathBuf, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_writ-agent"));
    command
        .args(["enrol", "--server", &server.url(), "--retry-max", "1", "--state"])
        .arg(state)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_approves_and_the_token_is_kept() {
    let server = Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    server.state().device.extend([
        (500, json!({})),
        code("ABCD-EFGH"),
        error(400, "authorization_pending"),
        (503, Value::Null),
        error(400, "authorization_pending"),
        token(),
    ]);
    let (status, said) = ended(enrol(&server, &state, &["--client-id", "my-fleet"])).await;
    assert_eq!(status, 0, "{said}");
    assert!(
        said.contains("open: https://writ.example.org/device\nand enter the code: ABCD-EFGH\n"),
        "{said}"
    );
    assert!(!said.contains(TOKEN) && !said.contains("secret-"), "{said}");
    assert_eq!(fs::read_to_string(state.join("token")).unwrap(), TOKEN);
    assert_eq!(fs::metadata(state.join("token")).unwrap().mode() & 0o777, 0o600);
    let calls = std::mem::take(&mut server.state().device_calls);
    assert!(calls.iter().all(|(_, body)| body["client_id"] == "my-fleet"));
    assert_eq!(calls[2].0, "/oauth/token");
    assert_eq!(calls[2].1["device_code"], "secret-ABCD-EFGH");

    let (status, said) = ended(enrol(&server, &state, &[])).await;
    assert!(status == 1 && said.contains("--again"), "{said}");
    assert!(server.state().device_calls.is_empty(), "an enrolled agent asks for nothing");
    server.state().device.extend([code("X"), token()]);
    assert_eq!(ended(enrol(&server, &state, &["--again"])).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_code_is_replaced_and_a_hasty_agent_slows_down() {
    let server = Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    server.state().device.extend([
        code("FIRST"),
        error(400, "expired_token"),
        code("SECOND\u{1b}[2J"),
        error(400, "slow_down"),
        token(),
    ]);
    let began = std::time::Instant::now();
    let (status, said) = ended(enrol(&server, &state, &[])).await;
    assert_eq!(status, 0, "{said}");
    assert!(began.elapsed().as_secs() >= 6, "one second and five more");
    assert!(said.contains("code: FIRST\n") && said.contains("code: SECOND?[2J\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_agent_ends_with_code_3() {
    let server = Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    server.state().device.extend([code("NO"), error(400, "access_denied")]);
    let (status, said) = ended(enrol(&server, &state, &[])).await;
    assert!(status == 3 && said.contains("denied"), "{said}");
    server.state().device.extend([error(401, "invalid_client")]);
    let (status, said) = ended(enrol(&server, &state, &[])).await;
    assert!(status == 3 && said.contains("refuses"), "{said}");
    server.state().device.extend([code("LATE")]);
    let (status, said) = ended(enrol(&server, &state, &["--patience", "2"])).await;
    assert!(status == 1 && said.contains("in time"), "{said}");
    assert!(!state.join("token").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn run_enrols_first_when_asked() {
    let server = Server::start().await;
    let machine = Machine::new();
    fs::remove_file(machine.state().join("token")).unwrap();
    server.state().device.extend([code("ABCD"), token()]);
    let agent = crate::starting::program(&machine, &server.url(), &["--enrol"]).spawn().unwrap();
    server.polls(1).await;
    assert!(machine.state().join("token").exists());
    drop(agent);
}
