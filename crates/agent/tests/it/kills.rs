//! The real program, killed at bad moments.

use crate::starting::program;
use crate::support::{Machine, PATIENCE, Running, Server, errors, new_run, publish, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::process::Child;
use types::CommandStatus;

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().unwrap().try_into().unwrap()), signal).unwrap();
}

/// Is the body of a plugin that writes to a file until it is killed.
fn endless(mark: &Path) -> String {
    format!("\n    while True:\n      open({mark:?}, 'a').write('x'); time.sleep(0.05)")
}

async fn begun(mark: &Path) {
    until("the plugin at work", || fs::metadata(mark).ok().filter(|about| about.len() > 2)).await;
}

async fn assert_quiet(mark: &Path) {
    let size = || fs::metadata(mark).unwrap().len();
    // the plugin's process notices by itself that the agent is gone
    let mut before = 0;
    for _ in 0..20 {
        before = size();
        tokio::time::sleep(Duration::from_millis(500)).await;
        if size() == before {
            return;
        }
    }
    panic!("the plugin outlives the agent: {before} bytes and more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_is_reported_once_and_never_repeated() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let command = publish(&server, &endless(&mark));
    let document = machine.order(&json!([{"module": command}, {"module": "file"}]));
    let run = new_run();
    let mut agent = program(&machine, &server.url(), &[]).spawn().unwrap();
    server.order(run, &document);
    begun(&mark).await;
    signal(&agent, Signal::SIGKILL);
    agent.wait().await.unwrap();
    assert_quiet(&mark).await;
    let size = fs::metadata(&mark).unwrap().len();

    let mut agent = program(&machine, &server.url(), &[]).spawn().unwrap();
    let answer = server.answer(run).await;
    assert_eq!((answer.status, answer.results.len()), (CommandStatus::Failed, 2));
    assert!(errors(&answer).first().unwrap().starts_with("interrupted"), "{answer:?}");
    server.order(run, &document);
    let other = new_run();
    server.order(other, &document);
    assert!(errors(&server.answer(other).await).first().unwrap().starts_with("replayed"));
    signal(&agent, Signal::SIGKILL);
    agent.wait().await.unwrap();

    let mut agent = program(&machine, &server.url(), &[]).spawn().unwrap();
    server.polls(1).await;
    signal(&agent, Signal::SIGTERM);
    let status = tokio::time::timeout(PATIENCE, agent.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(fs::metadata(&mark).unwrap().len(), size, "it ran again");
    let told: Vec<_> = server.state().returns.iter().filter(|it| it.run == run).cloned().collect();
    assert!(told.iter().all(|it| *it == told[0]), "it is always told the same: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_the_spool_outlives_the_program() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let command = publish(&server, &crate::support::writes_to(&mark));
    server.state().results_status = Some(503);
    let mut agent = program(&machine, &server.url(), &[]).spawn().unwrap();
    let run = new_run();
    server.order(run, &machine.order(&json!([{"module": command}])));
    until("the answer spooled", || (machine.files("spool") == 1).then_some(())).await;
    signal(&agent, Signal::SIGKILL);
    agent.wait().await.unwrap();
    server.state().results_status = None;
    let _agent = program(&machine, &server.url(), &[]).spawn().unwrap();
    assert_eq!(server.answer(run).await.results[0].elements, json!("ran"));
    server.polls(1).await;
    assert_eq!(server.answers(run), 1);
    assert_eq!(fs::read_to_string(&mark).unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_stopped_tells_what_it_broke_off() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let command = publish(&server, &endless(&mark));
    let agent = Running::new(machine.settings(&server));
    let run = new_run();
    server.order(run, &machine.order(&json!([{"module": command}])));
    begun(&mark).await;
    agent.stop().await;
    assert_eq!(server.answers(run), 1, "before it ended");
    let answer = server.answer(run).await;
    assert!(errors(&answer).first().unwrap().starts_with("interrupted"), "{answer:?}");
    assert_quiet(&mark).await;
}
