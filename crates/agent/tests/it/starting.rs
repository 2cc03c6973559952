//! When the real program refuses to start, and with which exit code it ends.

use crate::support::{Machine, PATIENCE, Server};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};
use tokio::process::Command;

pub(crate) fn program(machine: &Machine, server: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_writ-agent"));
    command
        .args(["run", "--server", server, "--retry-max", "1"])
        .arg("--state")
        .arg(machine.state())
        .arg("--keys")
        .arg(machine.path("keys"))
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) async fn ended(mut command: Command) -> (i32, String) {
    let output: Output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.stdout.is_empty(), "nothing goes to standard output");
    (output.status.code().unwrap_or(-1), said)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_refuses_what_is_not_safe() {
    let machine = Machine::new();
    let run = |more: &'static [&'static str]| ended(program(&machine, "http://127.0.0.1:9/", more));
    chmod(&machine.state().join("token"), 0o644);
    let (code, said) = run(&[]).await;
    assert!(code == 1 && said.contains("token") && said.contains("chmod"), "{said}");
    chmod(&machine.state().join("token"), 0o600);

    fs::rename(machine.path("keys/bob.asc"), machine.path("bob.asc")).unwrap();
    let (code, said) = run(&[]).await;
    assert!(code == 1 && said.contains("holds no keys"), "{said}");
    fs::rename(machine.path("bob.asc"), machine.path("keys/bob.asc")).unwrap();

    let (code, said) = run(&["--acl", "/nowhere"]).await;
    assert!(code == 1 && said.contains("/nowhere"), "{said}");
    let (code, said) = run(&["--acl", "/dev/null"]).await;
    assert!(code == 1 && said.contains("cannot use /dev/null"), "{said}");
    let (code, said) = run(&["--max-output", "much"]).await;
    assert!(code == 2 && said.contains("--max-output"), "{said}");
    let (code, said) = ended(program(&machine, "http://192.0.2.1/", &[])).await;
    assert!(code == 1 && said.contains("without TLS"), "{said}");

    fs::remove_file(machine.state().join("token")).unwrap();
    let (code, said) = run(&[]).await;
    assert!(code == 3 && said.contains("not enrolled"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_agent_ends_with_code_3() {
    let server = Server::start().await;
    let machine = Machine::new();
    server.state().revoked = true;
    let (code, said) = ended(program(&machine, &server.url(), &[])).await;
    assert!(code == 3 && said.contains("enrol --again"), "{said}");
    assert!(!said.contains(crate::support::TOKEN));
}
