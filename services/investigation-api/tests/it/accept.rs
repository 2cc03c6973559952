//! A signed action is accepted: stored, told to the scheduler, and once only.

use crate::support::Process;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use diesel_async::SimpleAsyncConnection;
use serde_json::{Value, json};
use testkit::keys;
use time::Duration;
use types::messages::ActionAccepted;
use types::{InvestigatorId, InvestigatorStatus, Permissions};

#[tokio::test(flavor = "multi_thread")]
async fn the_plain_route_answers_with_the_action() {
    let mut process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let (status, view) = process.post("/v1/actions", document.clone()).await;
    assert_eq!(status, 202, "{view}");
    let fingerprint = keys::of("alice").public().fingerprint();
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

/// Writes a signature in other ways, in all of which it is the same and valid.
fn written_otherwise(line: &str) -> Vec<String> {
    let (payload, sum) = line.rsplit_once('=').unwrap();
    let packet = STANDARD.decode(payload).unwrap();
    // a packet of either format, with a length of one or two bytes
    let (tag, body) = match (packet[0] & 0x40 != 0, packet[0] & 3, packet[1]) {
        (true, _, ..192) => (packet[0] & 0x3f, &packet[2..]),
        (true, ..) => (packet[0] & 0x3f, &packet[3..]),
        (false, 0, _) => (packet[0] >> 2 & 0xf, &packet[2..]),
        (false, ..) => (packet[0] >> 2 & 0xf, &packet[3..]),
    };
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    let long = [&[0xc0 | tag, 0xff][..], &length, body].concat();
    let marked = [&[0xca, 3, b'P', b'G', b'P'][..], &packet].concat();
    vec![
        format!(" {line}"),
        format!("{line}\n"),
        format!("{payload}=AAAA"),
        format!("{}={sum}", STANDARD.encode(long)),
        format!("{}={sum}", STANDARD.encode(marked)),
    ]
}

fn with_signatures(document: &str, lines: &[&str]) -> String {
    let mut document: Value = serde_json::from_str(document).unwrap();
    document["pgpsignatures"] = json!(lines);
    document.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_orders_once_however_it_is_written() {
    let mut process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let (status, first) = process.post("/v1/actions", document.clone()).await;
    assert_eq!(status, 202);
    let read: Value = serde_json::from_str(&document).unwrap();
    for line in written_otherwise(read["pgpsignatures"][0].as_str().unwrap()) {
        let again = with_signatures(&document, &[&line]);
        assert_eq!(
            process.post("/v1/actions", again.clone()).await,
            (200, first.clone()),
            "{line}"
        );
        let (_, answer) = process.post_form(&again).await;
        assert_eq!(answer["collection"]["items"][0]["data"][0]["name"], "action ID 1", "{line}");
    }
    assert_eq!((process.count("action").await, process.count("signature").await), (1, 1));
    process.tap.next::<ActionAccepted>().await;
    process.tap.none_of("action.accepted.v1", std::time::Duration::from_millis(600)).await;

    // who signs anew orders anew
    let text = signing::action::signed_string(&types::Action::parse(document.as_bytes()).unwrap());
    let at = process.now - Duration::seconds(1);
    let line = keys::of("alice").sign_line(text.as_bytes(), at).unwrap();
    let anew = with_signatures(&document, &[&line]);
    assert_eq!(process.post("/v1/actions", anew).await.0, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn some_of_the_signatures_order_nothing_more_than_all_of_them() {
    let process = Process::new().await;
    process.add(3, "carol", InvestigatorStatus::Active, Permissions::all().0).await;
    let both = process.sign(process.action(), &["alice", "carol"]);
    let read: Value = serde_json::from_str(&both).unwrap();
    let lines: Vec<_> =
        (0..2).map(|n| read["pgpsignatures"][n].as_str().unwrap().to_owned()).collect();
    assert_eq!(process.post("/v1/actions", both.clone()).await.0, 202);
    for some in [&[&*lines[0]][..], &[&lines[1]], &[&lines[1], &lines[0]]] {
        let (status, view) = process.post("/v1/actions", with_signatures(&both, some)).await;
        assert_eq!((status, &view["id"]), (200, &json!(1)));
    }
    let mut other = process.action();
    other["name"] = "another".into();
    let alone = process.sign(other.clone(), &["alice"]);
    assert_eq!(process.post("/v1/actions", alone).await.0, 202);
    let more = process.sign(other, &["carol", "alice"]);
    let (status, view) = process.post("/v1/actions", more).await;
    assert_eq!((status, &view["id"]), (200, &json!(2)), "alice's signature has ordered already");
    assert_eq!(process.count("action").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_signatures_had_marks_is_known_again() {
    let process = Process::new().await;
    let document = process.sign(process.action(), &["alice"]);
    let (_, first) = process.post("/v1/actions", document.clone()).await;
    let mut conn = process.running.parts.store.get().await.unwrap();
    let old =
        "update signature set mark = null; update action set digest = sha256(id::text::bytea)";
    conn.batch_execute(old).await.unwrap();
    assert_eq!(process.post("/v1/actions", document.clone()).await, (200, first.clone()));
    let read: Value = serde_json::from_str(&document).unwrap();
    let line = &written_otherwise(read["pgpsignatures"][0].as_str().unwrap())[2];
    let again = with_signatures(&document, &[line]);
    assert_eq!(process.post("/v1/actions", again).await, (200, first));
    let mut other = process.action();
    other["operations"][0]["parameters"]["searches"]["s1"]["paths"] = json!(["/var"]);
    let other = process.sign(other, &["alice"]);
    assert_eq!(process.post("/v1/actions", other).await.0, 202, "it only looks like it");
}
