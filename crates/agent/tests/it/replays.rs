//! No order runs twice.

use crate::support::{Machine, Server, errors, new_run, publish, until, writes_to};
use serde_json::json;
use std::fs;
use types::CommandStatus;

#[tokio::test(flavor = "multi_thread")]
async fn an_order_under_another_run_is_refused_also_after_a_restart() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let command = publish(&server, &writes_to(&mark));
    let document = machine.order(&json!([{"module": command}]));
    let (first, second, third) = (new_run(), new_run(), new_run());
    let agent = machine.start(&server);
    server.order(first, &document);
    assert_eq!(server.answer(first).await.status, CommandStatus::Success);
    server.order(second, &document);
    let refused = server.answer(second).await;
    assert_eq!(refused.status, CommandStatus::Failed);
    assert!(errors(&refused).first().unwrap().starts_with("replayed"));
    agent.stop().await;
    // other blanks, the same order: what counts is what is signed
    let spaced = document.replacen('{', "{ \n", 1);
    let _agent = machine.start(&server);
    server.order(third, &spaced);
    assert!(errors(&server.answer(third).await).first().unwrap().starts_with("replayed"));
    assert_eq!(fs::read_to_string(&mark).unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_handed_out_again_is_answered_again_without_running() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let command = publish(&server, &writes_to(&mark));
    let document = machine.order(&json!([{"module": command}]));
    let run = new_run();
    let mut agent = machine.start(&server);
    for times in 1..=4 {
        server.order(run, &document);
        server.order(run, &document);
        let all = |state: &crate::support::State| {
            let answers: Vec<_> =
                state.returns.iter().filter(|it| it.run == run).cloned().collect();
            (answers.len() >= times).then_some(answers)
        };
        let answers = server.until("one more answer", all).await;
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(answers[0].results[0].elements, json!("ran"));
        until("an empty spool", || (machine.files("spool") == 0).then_some(())).await;
        if times == 2 {
            agent.stop().await;
            agent = machine.start(&server);
        }
        if times == 3 {
            // a run that is known is not judged again, whatever document comes with it
            server.order(run, "{}");
            server.polls(2).await;
        }
    }
    assert_eq!(fs::read_to_string(&mark).unwrap(), "x");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_kept_any_more_is_not_made_again() {
    let server = Server::start().await;
    let machine = Machine::new();
    let mark = machine.path("mark");
    let command = publish(&server, &writes_to(&mark));
    let document = machine.order(&json!([{"module": command}]));
    let run = new_run();
    let agent = machine.start(&server);
    server.order(run, &document);
    server.answer(run).await;
    until("the answer kept", || (machine.files("answers") == 1).then_some(())).await;
    agent.stop().await;
    fs::remove_file(machine.state().join("answers").join(format!("{run}.json"))).unwrap();
    server.state().returns.clear();
    let _agent = machine.start(&server);
    server.order(run, &document);
    let answer = server.answer(run).await;
    assert!(errors(&answer).first().unwrap().contains("not kept any more"));
    assert_eq!(fs::read_to_string(&mark).unwrap(), "x");
}
