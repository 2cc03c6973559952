//! No order runs twice.

use crate::support::{
    Machine, Server, draft, errors, new_key, new_run, now, publish, sign_at, signed_string, until,
    with_signatures, writes_to,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs;
use time::Duration;
use types::CommandStatus;

// the same file as testkit's: this crate's tests build without databases and brokers
#[expect(
    unreachable_pub,
    dead_code,
    reason = "it is public in testkit, and more is used elsewhere"
)]
#[path = "../../../testkit/src/gpg.rs"]
mod gpg;

/// Hands an order out under a new run; tells whether it was carried out, or else is known.
async fn runs(server: &Server, document: &str) -> bool {
    let run = new_run();
    server.order(run, document);
    let answer = server.answer(run).await;
    if answer.status == CommandStatus::Success {
        return true;
    }
    let errors = errors(&answer);
    assert!(errors.first().unwrap().starts_with("replayed"), "{errors:?}");
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_again_orders_again_and_nobody_else_does() {
    let server = Server::start().await;
    let machine = Machine::new();
    let sue = new_key("sue");
    fs::write(machine.path("keys/sue.asc"), sue.public().armored()).unwrap();
    let command = publish(&server, &writes_to(&machine.path("mark")));
    let draft = draft(&json!([{"module": command}]));
    let (bob, at) = (&machine.key, now() - Duration::minutes(1));
    let lines = |document: &str| -> Vec<String> {
        serde_json::from_value(
            serde_json::from_str::<Value>(document).unwrap()["pgpsignatures"].take(),
        )
        .unwrap()
    };
    let first = sign_at(&[bob, &sue], draft.clone(), at);
    let [by_bob, by_sue] = <[String; 2]>::try_from(lines(&first)).unwrap();
    let agent = machine.start(&server);
    assert!(runs(&server, &first).await);
    // what others can make of it: the checksum is not judged, and each signature has ordered
    let (payload, _) = by_bob.rsplit_once('=').unwrap();
    for lines in [
        vec![by_bob.clone()],
        vec![by_sue.clone()],
        vec![by_sue, by_bob.clone()],
        vec![format!(" {by_bob}")],
        vec![format!("{payload}=AAAA")],
    ] {
        assert!(!runs(&server, &with_signatures(draft.clone(), lines)).await);
    }
    let anew = sign_at(&[bob], draft.clone(), at + Duration::seconds(1));
    assert!(runs(&server, &anew).await, "a second later it is another order");
    assert!(!runs(&server, &anew).await);
    agent.stop().await;
    let _agent = machine.start(&server);
    let old = lines(&anew).into_iter().chain([by_bob]);
    assert!(!runs(&server, &with_signatures(draft, old)).await);
    assert_eq!(fs::read_to_string(machine.path("mark")).unwrap(), "xx");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_line_ends_under_a_signature_in_text_mode_are_no_other_order() {
    let (server, machine, gpg) = (Server::start().await, Machine::new(), gpg::Gpg::new());
    gpg.make("ann", "ed25519", "sign", "never");
    fs::write(machine.path("keys/ann.asc"), gpg.export("ann").armored()).unwrap();
    let command = publish(&server, &writes_to(&machine.path("mark")));
    let mut draft = draft(&json!([{"module": command}]));
    draft["name"] = "two\nlines".into();
    let line = gpg.sign("ann", &["--textmode"], signed_string(&draft).as_bytes());
    let _agent = machine.start(&server);
    assert!(runs(&server, &with_signatures(draft.clone(), [line.clone()])).await);
    draft["name"] = "two\r\nlines".into();
    assert!(!runs(&server, &with_signatures(draft, [line])).await);
    assert_eq!(fs::read_to_string(machine.path("mark")).unwrap(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_agent_took_is_not_taken_again() {
    let server = Server::start().await;
    let machine = Machine::new();
    let command = publish(&server, &writes_to(&machine.path("mark")));
    let draft = draft(&json!([{"module": command}]));
    let name = hex::encode(Sha256::digest(signed_string(&draft)));
    let entry = json!({"run": new_run(), "operations": 1, "expires": draft["expireafter"],
        "answered": true});
    let agent = machine.start(&server);
    agent.stop().await;
    let file = machine.state().join("ledger").join(format!("{name}.json"));
    fs::write(&file, entry.to_string()).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let _agent = machine.start(&server);
    assert!(!runs(&server, &sign_at(&[&machine.key], draft, now())).await);
    assert!(!machine.path("mark").exists());
}

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
