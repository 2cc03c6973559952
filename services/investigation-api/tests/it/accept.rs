//! A signed action is accepted: stored, told to the scheduler, and once only.

use crate::support::Process;
use serde_json::json;
use types::InvestigatorId;
use types::messages::ActionAccepted;

#[tokio::test(flavor = "multi_thread")]
async fn the_plain_route_answers_with_the_action() {
    let mut process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let (status, view) = process.post("/v1/actions", document.clone()).await;
    assert_eq!(status, 202, "{view}");
    let fingerprint = testkit::keys::of("alice").public().fingerprint();
    assert_eq!((&view["id"], &view["status"]), (&1.into(), &"pending".into()));
    assert_eq!(view["signers"], json!([fingerprint]));
    let told = process.tap.next::<ActionAccepted>().await;
    assert_eq!((told.source.as_str(), told.subject.as_str()), ("/investigation-api", "1"));
    assert_eq!(told.data.document, document, "byte for byte");
    assert_eq!((told.data.posted_by, told.data.at), (InvestigatorId(1), process.now));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_order_again_is_the_order_there_is() {
    let mut process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let (first, view) = process.post("/v1/actions", document.clone()).await;
    let (again, same) = process.post("/v1/actions", document.clone()).await;
    assert_eq!((first, again, view), (202, 200, same));
    let (mig, answer) = process.post_form(&document).await;
    assert_eq!(mig, 202, "MIG's clients want nothing else");
    assert_eq!(answer["collection"]["items"][0]["data"][0]["name"], "action ID 1");
    process.tap.next::<ActionAccepted>().await;
    process.tap.none_of("action.accepted.v1", std::time::Duration::from_millis(600)).await;
    assert_eq!((process.count("action").await, process.count("signature").await), (1, 1));
}
