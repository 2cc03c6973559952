//! Playbooks propose signed actions: each is answered once, as if its signer had posted it.

use crate::support::Process;
use serde_json::{Value, json};
use std::time::Duration;
use testkit::Tap;
use types::messages::{ActionAccepted, ActionProposed, ActionRefused};
use types::{
    ActionId, Envelope, ExecutionId, InvestigatorId, InvestigatorStatus, Message, StepRunId,
};
use uuid::Uuid;

fn proposal(document: &str) -> ActionProposed {
    ActionProposed {
        document: document.to_owned(),
        execution_id: ExecutionId(Uuid::now_v7()),
        step: StepRunId(Uuid::now_v7()),
    }
}

/// Waits for the answer to one that is to be accepted.
async fn accepted(tap: &mut Tap, proposed: &ActionProposed) -> ActionAccepted {
    let told = tap.next::<ActionAccepted>().await.data;
    let (execution, step) = (Some(proposed.execution_id), Some(proposed.step));
    assert_eq!((told.execution_id, told.step), (execution, step));
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_right_is_accepted_with_its_step_once() {
    let mut process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let proposed = proposal(&document);
    let event = Envelope::new(Uuid::now_v7(), "scheduler", process.now, proposed.clone());
    let body = serde_json::to_vec(&event).unwrap();
    for _ in 0..3 {
        process.publish_raw(ActionProposed::KIND, event.id, &body).await;
    }
    let told = accepted(&mut process.tap, &proposed).await;
    assert_eq!((told.id, told.document.as_str()), (ActionId(1), document.as_str()));
    assert_eq!((told.posted_by, told.at), (InvestigatorId(1), process.now));
    process.tap.none_of(ActionAccepted::KIND, Duration::from_millis(600)).await;

    let (status, view) = process.get("/v1/actions/1").await;
    assert_eq!((status, &view["status"]), (200, &"pending".into()));
    assert_eq!((process.count("action").await, process.count("signature").await), (1, 1));
    let noted = "audit where what = 'action.accepted' and who = 'alice' and outcome = 'done'";
    assert_eq!(process.count(noted).await, 1);

    // the same order for another step is the same action
    let another = proposal(&document);
    process.publish(another.clone()).await;
    assert_eq!(accepted(&mut process.tap, &another).await.id, ActionId(1));
    assert_eq!((process.count("action").await, process.count(noted).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_somebody_posted_by_hand_is_answered_with_its_number() {
    let mut process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    assert_eq!(process.post("/v1/actions", document.clone()).await.0, 202);
    assert_eq!(process.tap.next::<ActionAccepted>().await.data.step, None);
    let proposed = proposal(&document);
    process.publish(proposed.clone()).await;
    let told = accepted(&mut process.tap, &proposed).await;
    assert_eq!((told.id, told.document), (ActionId(1), document));
    assert_eq!(process.count("action").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_signer_who_may_has_posted_it() {
    let mut process = Process::new().await;
    process.add(3, "carol", InvestigatorStatus::Active, 0).await;
    let proposed = proposal(&process.sign(process.action(), &["carol", "alice"]));
    process.publish(proposed.clone()).await;
    assert_eq!(accepted(&mut process.tap, &proposed).await.posted_by, InvestigatorId(1));
    assert_eq!(process.count("signature").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_wrong_is_refused_with_the_reason() {
    let mut process = Process::new().await;
    process.add(3, "carol", InvestigatorStatus::Active, 0).await;
    let with = |member: &str, value: Value| {
        let mut action = process.action();
        action[member] = value;
        process.sign(action, &["alice"])
    };
    let signed = |signers: &[&str]| process.sign(process.action(), signers);
    let elsewhere = json!([{"module": "nosuch", "parameters": {}}]);
    let cases = [
        ("not JSON", "{\"name\":".to_owned(), "not valid JSON"),
        ("too large", "n".repeat(930_000), "at most"),
        ("unsigned", process.action().to_string(), "pgpsignatures is empty"),
        ("a stranger's", signed(&["mallory"]), "signature 1"),
        ("one who is disabled", signed(&["bob"]), "signature 1"),
        ("one good and one bad", signed(&["alice", "bob"]), "signature 2"),
        ("twice the same", signed(&["alice", "alice"]), "twice"),
        ("changed", signed(&["alice"]).replace("\"look\"", "\"loot\""), "signature 1"),
        (
            "nobody may",
            signed(&["carol"]),
            "nobody who signed has the permission \"action_create\"",
        ),
        ("no name", with("name", "".into()), "name is empty"),
        ("over", with("expireafter", "2020-01-01T00:00:00Z".into()), "before action validfrom"),
        ("no target", with("target", "status = = 1".into()), "target: position 10"),
        ("nobody is meant", with("target", "name='nobody'".into()), "no agent"),
        ("nobody can", with("operations", elsewhere), "no agent has the module 'nosuch'"),
        ("a dispatch that is none", with("dispatch", 1.into()), "dispatch"),
    ];
    for (what, document, reason) in cases {
        let proposed = proposal(&document);
        process.publish(proposed.clone()).await;
        let told = process.tap.next::<ActionRefused>().await.data;
        assert_eq!(
            (told.execution_id, told.step),
            (proposed.execution_id, proposed.step),
            "{what}"
        );
        assert!(told.reason.contains(reason), "{what}: {}", told.reason);
        assert_eq!(process.count("action").await, 0, "{what}");
    }
    process.tap.none_of(ActionAccepted::KIND, Duration::from_millis(20)).await;
}
