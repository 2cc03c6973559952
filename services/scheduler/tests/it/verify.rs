//! A message is not enough: the scheduler verifies each action for itself.

use crate::support::{NOW, Process, accepted, action, agents, delivery, investigator, signed};
use messaging::{Delivery, Outcome};
use testkit::{PATIENCE, until};
use time::Duration;
use types::messages::{ActionAccepted, ActionChanged, CommandIssued, InvestigatorChanged};
use types::{Action, Dispatch, InvestigatorStatus, Message};

/// Gives the message as it comes back from the wait queue.
fn later(delivery: &Delivery) -> Delivery {
    let mut later = delivery.clone();
    later.waited = 1;
    later
}

/// Hands an action over that must be refused, and gives the reason that is told.
async fn refused(process: &mut Process, id: i64, batch: &[Delivery]) -> String {
    assert_eq!(process.hand("actions", batch).await, Outcome::Done);
    let changed = process.tap.next::<ActionChanged>().await.data;
    assert_eq!((changed.id.0, changed.status.as_str()), (id, "invalid"));
    assert_eq!((changed.finished, changed.started), (Some(NOW), None));
    let run = process.run(id).await;
    assert_eq!((run.reason.clone(), run.version), (changed.reason, changed.version));
    assert_eq!(run.counters(), [0; 6]);
    process.job("launch").await;
    assert_eq!(process.commands(id).await, []);
    run.reason().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_changed_never_runs() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    let good = signed(action("a"), &["alice"]);
    let tampered = [
        good.replace("^passwd$", "^shadow$"),
        good.replace("\"target\":\"", "\"target\":\"true or "),
        good.replace("2026-11-21T12:10:00Z", "2026-11-21T12:10:01Z"),
        good.replace("\"file\"", "\"netstat\""),
    ];
    for (document, id) in tampered.iter().zip(1..) {
        assert_ne!(document, &good);
        let batch = [delivery(accepted(id, document))];
        let reason = refused(&mut process, id, &batch).await;
        let want =
            "signature: signature 1 does not count: the signature does not belong to this text";
        assert_eq!(reason, want);
    }
    process.silent_of(&[CommandIssued::KIND]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_on_the_word_of_a_stale_copy() {
    let mut process = Process::new().await;
    process.agents(&agents(2)).await;
    let validfrom = NOW + Duration::minutes(1);
    process.accept(1, Action { validfrom, ..action("a") }).await;
    let paced = Dispatch { rate_per_second: Some(1.0), ..Dispatch::default() };
    let order =
        ActionAccepted { dispatch: Some(paced), ..accepted(2, &signed(action("b"), &["alice"])) };
    process.take("actions", order).await;
    process.until(2, "inflight").await;
    process.tap.next::<CommandIssued>().await;
    // whoever signed may have been disabled since
    process.wait(Duration::minutes(6));
    process.job("launch").await;
    process.job("dispatch").await;
    process.silent_of(&[CommandIssued::KIND]).await;
    assert_eq!(process.run(1).await.status, "pending");
    process.confirm().await;
    process.job("launch").await;
    process.until(1, "inflight").await;
    process.job("dispatch").await;
    let mut issued = 0;
    while issued < 3 {
        issued += process.tap.next::<CommandIssued>().await.data.commands.len();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_rule_never_runs_whoever_sends_it() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    let base = || action("a");
    let sign = |action: Action| signed(action, &["alice"]);
    let old = Action { expireafter: NOW - Duration::seconds(1), ..base() };
    let reversed = Action { validfrom: NOW + Duration::hours(1), ..base() };
    let table = [
        ("{".into(), "the action is not valid JSON"),
        ("[]".into(), "the action is not a JSON object"),
        (sign(Action { name: String::new(), ..base() }), "action name is empty"),
        (sign(Action { target: "status=".into(), ..base() }), "target: position 8: "),
        (
            sign(Action { target: "stat='x'".into(), ..base() }),
            "target: position 1: there is no column",
        ),
        (sign(Action { target: "name='\0'".into(), ..base() }), "target: position 7: "),
        (sign(old), "action expireafter is in the past"),
        (sign(reversed), "action expireafter is set before action validfrom"),
        (sign(Action { operations: Some(vec![]), ..base() }), "action operations is empty"),
        (sign(Action { syntaxversion: 1, ..base() }), "wrong syntax version, expected 2"),
        (signed(base(), &[]), "action pgpsignatures is empty"),
        (
            signed(base(), &["alice", "alice"]),
            "signature: investigator \"alice\" signed the action twice",
        ),
        (
            signed(base(), &["alice"])
                .replace("pgpsignatures\":[\"", "pgpsignatures\":[\"AAAA=AAAA\",\""),
            "signature: signature 1",
        ),
    ];
    for ((document, want), id) in table.iter().zip(1..) {
        // a word on the time of acceptance that lies ahead does not help
        let message = ActionAccepted { at: NOW + Duration::days(1), ..accepted(id, document) };
        let reason = refused(&mut process, id, &[delivery(message)]).await;
        assert!(reason.starts_with(want), "{document}: {reason}");
    }
    process.silent_of(&[CommandIssued::KIND]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signer_who_is_not_known_is_waited_for_once() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    let message = delivery(accepted(1, &signed(action("a"), &["mallory"])));
    let outcome = process.hand("actions", std::slice::from_ref(&message)).await;
    assert_eq!(outcome, Outcome::Wait("not yet: a signer is not known here yet".into()));
    assert_eq!((process.count("run").await, process.count("messaging.inbox").await), (0, 0));
    let reason = refused(&mut process, 1, &[later(&message)]).await;
    assert!(reason.starts_with("signature: signature 1 does not count: no known key"), "{reason}");

    let message = delivery(accepted(2, &signed(action("b"), &["bob"])));
    let outcome = process.hand("actions", std::slice::from_ref(&message)).await;
    assert!(matches!(outcome, Outcome::Wait(_)), "{outcome:?}");
    process.know(investigator(2, "bob")).await;
    assert_eq!(process.hand("actions", &[later(&message)]).await, Outcome::Done);
    process.until(2, "inflight").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_waits_for_itself() {
    let process = Process::new().await;
    process.agents(&agents(1)).await;
    let unknown = |id| delivery(accepted(id, &signed(action("a"), &["mallory"])));
    let good = delivery(accepted(3, &signed(action("b"), &["alice"])));
    let batch = [later(&unknown(1)), unknown(2), good];
    let outcome = process.hand("actions", &batch).await;
    assert!(matches!(outcome, Outcome::Wait(_)), "{outcome:?}");
    assert_eq!(process.run(1).await.status, "invalid", "it had waited");
    process.until(3, "inflight").await;
    assert_eq!(process.count("run where action_id = 2").await, 0, "it had not");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_signs_nothing() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    process.know(investigator(3, "carol")).await;
    let document = signed(action("a"), &["carol"]);
    process.take("actions", accepted(1, &document)).await;
    process.until(1, "inflight").await;
    process.tap.next::<ActionChanged>().await;

    let disabled = InvestigatorStatus::Disabled;
    let carol = InvestigatorChanged { status: disabled, version: 2, ..investigator(3, "carol") };
    process.know(carol).await;
    let second = delivery(accepted(2, &document));
    refused(&mut process, 2, &[later(&second)]).await;
    let both = delivery(accepted(3, &signed(action("b"), &["alice", "carol"])));
    let reason = refused(&mut process, 3, &[later(&both)]).await;
    assert!(reason.starts_with("signature: signature 2 does not count"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_its_time_does_not_start_when_a_signer_is_disabled_before() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    process.know(investigator(3, "carol")).await;
    let later = Action { validfrom: NOW + Duration::minutes(5), ..action("a") };
    for (id, signers) in [(1, vec!["alice", "carol"]), (2, vec!["alice"])] {
        let document = signed(later.clone(), &signers);
        process.take("actions", accepted(id, &document)).await;
        assert_eq!(process.run(id).await.status, "pending");
    }
    let disabled = InvestigatorStatus::Disabled;
    let carol = InvestigatorChanged { status: disabled, version: 2, ..investigator(3, "carol") };
    process.know(carol).await;
    process.wait(Duration::minutes(6));
    process.confirm().await;
    process.job("launch").await;
    let run = process.until(1, "invalid").await;
    let reason = run.reason();
    assert!(reason.starts_with("signature: signature 2 does not count"), "{reason}");
    assert_eq!(process.commands(1).await, []);
    process.until(2, "inflight").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_signed_are_verified() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    process.know(investigator(2, "bob")).await;
    process.take("actions", accepted(1, &signed(action("a"), &["alice", "bob"]))).await;
    process.until(1, "inflight").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_the_copy_is_stale_is_verified_before_it_starts() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    process.wait(Duration::minutes(5));
    let forged = signed(action("a"), &["alice"]).replace("^passwd$", "^shadow$");
    for (id, document) in [
        (1, signed(action("a"), &["alice"])),
        (2, forged),
        (3, signed(action("b"), &["alice"])),
        (4, signed(action("c"), &["bob"])),
    ] {
        process.take("actions", accepted(id, &document)).await;
        process.job("launch").await;
        assert_eq!(process.run(id).await.status, "pending");
    }
    // it can be withdrawn although nobody can tell who signed it
    assert_eq!(process.cancel(3).await, Outcome::Done);
    assert_eq!(process.run(3).await.status, "cancelled");
    process.silent_of(&[CommandIssued::KIND]).await;
    // with the word on how the keys stand comes one that was not known here
    process.know(investigator(2, "bob")).await;
    process.job("launch").await;
    process.until(1, "inflight").await;
    let forged = process.until(2, "invalid").await;
    assert!(forged.reason().starts_with("signature: signature 1 does not count"), "{forged:?}");
    process.until(4, "inflight").await;
    assert_eq!(process.commands(3).await, []);
}

/// Nobody can verify it in its time, and still it ends.
#[tokio::test(flavor = "multi_thread")]
async fn an_action_ends_in_time_however_long_the_keys_are_not_confirmed() {
    let mut process = Process::new().await;
    process.agents(&agents(1)).await;
    process.wait(Duration::minutes(6));
    // on the broker, as a batch that had to wait would come again and again
    process.publish(accepted(1, &signed(action("a"), &["alice"]))).await;
    until(PATIENCE, async || process.count("run").await == 1).await;
    assert_eq!(process.run(1).await.status, "pending");
    process.wait(Duration::minutes(5));
    // and one whose time was over before it came
    process.publish(accepted(2, &signed(action("b"), &["alice"]))).await;
    for id in [1, 2] {
        until(PATIENCE, async || process.count(&format!("run where action_id = {id}")).await == 1)
            .await;
        let run = process.until(id, "expired").await;
        assert_eq!(run.reason(), "its time passed before it could start");
        assert_eq!(process.commands(id).await, []);
    }
    process.silent_of(&[CommandIssued::KIND]).await;
    let queue = "scheduler.actions";
    for queue in [queue.to_owned(), format!("{queue}.wait"), messaging::DEAD.to_owned()] {
        assert_eq!(process.servers.vhost.queue_length(&queue).await, Some(0), "{queue}");
    }
}
