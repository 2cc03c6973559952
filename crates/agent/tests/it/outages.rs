//! A server that is away, broken, or says no.

use crate::support::{Machine, Server, errors, new_run, publish, until, writes_to};
use agent::Ending;
use serde_json::json;
use std::fs;
use types::CommandStatus;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_arrives_though_the_server_was_away() {
    let server = Server::start().await;
    let machine = Machine::new();
    let (begun, release) = (machine.path("begun"), machine.path("release"));
    let body = format!(
        "\n    open({begun:?}, 'w')\n    while not os.path.exists({release:?}): time.sleep(0.02)\n    return 7"
    );
    let command = publish(&server, &body);
    let agent = machine.start(&server);
    let run = new_run();
    server.order(run, &machine.order(&json!([{"module": command}])));
    until("the plugin at work", || begun.exists().then_some(())).await;
    server.down().await;
    fs::write(&release, "").unwrap();
    until("the answer spooled", || (machine.files("spool") == 1).then_some(())).await;
    let server = server.up().await;
    assert_eq!(server.answer(run).await.results[0].elements, json!(7));
    let again = new_run();
    server.order(again, &machine.order(&json!([{"module": "file"}])));
    server.answer(again).await;
    assert_eq!(agent.stop().await, Ending::Stopped);
    assert_eq!(server.answers(run), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_the_server_ends_the_agent() {
    let server = Server::start().await;
    let machine = Machine::new();
    server.state().nonsense.extend([
        (500, "broken".into()),
        (503, String::new()),
        (404, "<html>".into()),
        (302, String::new()),
        (200, "[]".into()),
        (200, "{\"items\":".into()),
        (200, "{\"items\":[{\"run\":\"../../etc/passwd\"}]}".into()),
        (200, "x".repeat(33 * 1024 * 1024)),
    ]);
    let agent = machine.start(&server);
    server.until("all of it served", |state| state.nonsense.is_empty().then_some(())).await;
    let run = new_run();
    server.order(run, &machine.order(&json!([{"module": "nosuch"}])));
    assert_eq!(server.answer(run).await.status, CommandStatus::Failed);
    assert_eq!(agent.stop().await, Ending::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_agent_stops_working() {
    let server = Server::start().await;
    let machine = Machine::new();
    let agent = machine.start(&server);
    server.polls(1).await;
    server.state().revoked = true;
    assert_eq!(agent.ended().await, Ending::Revoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_wait_for_a_server_that_does_not_take_them() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let command = publish(&server, &writes_to(&mark));
    server.state().results_status = Some(503);
    let agent = machine.start(&server);
    let runs: Vec<_> = (0..60).map(|_| new_run()).collect();
    for run in &runs {
        server.order(*run, &machine.order(&json!([{"module": "nosuch"}])));
    }
    let last = new_run();
    server.order(last, &machine.order(&json!([{"module": command}])));
    // an agent has at most 64 orders in hand, so all of these fit
    until("all spooled", || (machine.files("spool") == 61).then_some(())).await;
    agent.stop().await;
    server.state().results_status = None;
    let agent = machine.start(&server);
    for run in runs.iter().chain([&last]) {
        server.answer(*run).await;
        assert_eq!(server.answers(*run), 1);
    }
    agent.stop().await;
    assert_eq!(fs::read_to_string(&mark).unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_never_taken_gives_way_to_a_short_one() {
    let server = Server::start().await;
    let machine = Machine::new();
    let command = publish(&server, "return 'x' * 1000");
    server.state().results_status = Some(413);
    let _agent = machine.start(&server);
    let (big, small) = (new_run(), new_run());
    server.order(big, &machine.order(&json!([{"module": command}])));
    server.order(small, &machine.order(&json!([{"module": "nosuch"}])));
    let answer = server.answer(big).await;
    assert_eq!(answer.status, CommandStatus::Failed);
    assert!(errors(&answer).first().unwrap().starts_with("the answer was lost: "), "{answer:?}");
    server.answer(small).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_under_one_name_until_it_is_answered() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let command = publish(&server, &writes_to(&mark));
    // an answer that nobody can read is one all the same; no word at all is none, nor is half of one
    server.state().nonsense.extend([(200, "[]".into()), (503, String::new())]);
    server.state().cut = 2;
    let run = new_run();
    server.order(run, &machine.order(&json!([{"module": command}])));
    let agent = machine.start(&server);
    server.answer(run).await;
    let questions = server
        .until("the next question", |state| {
            (state.questions.len() > 5).then(|| state.questions.clone())
        })
        .await;
    let of = |at: usize| questions[at].0.as_str();
    let again: Vec<bool> = questions.iter().map(|(_, again)| *again).collect();
    assert_eq!(again[..6], [false, false, true, true, true, false], "{questions:?}");
    assert_eq!([of(2), of(3), of(4)], [of(1); 3], "{questions:?}");
    assert!(of(0) != of(1) && of(5) != of(1) && of(5) != of(0), "{questions:?}");
    agent.stop().await;
    assert_eq!((server.answers(run), fs::read_to_string(&mark).unwrap().as_str()), (1, "x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_cut_off_is_asked_again() {
    let server = Server::start().await;
    let machine = Machine::new();
    let agent = machine.start(&server);
    server.polls(1).await;
    server.down().await;
    let server = server.up().await;
    server.polls(1).await;
    let questions = server.state().questions.clone();
    assert_eq!(questions[1], (questions[0].0.clone(), true), "{questions:?}");
    agent.stop().await;
}
