//! An accepted action becomes commands, once.

use crate::support::{NOW, Process, accepted, action, agent, agents, delivery, signed};
use messaging::{Delivery, Outcome};
use std::collections::BTreeSet;
use testkit::{PATIENCE, until};
use time::Duration;
use types::messages::{ActionAccepted, ActionChanged, CommandIssued, CommandReturned};
use types::{ActionId, AgentId, Message};
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_issued_to_all_whom_its_target_reaches() {
    let mut process = Process::new().await;
    process.agents(&agents(1201)).await;
    let document = signed(action("who has it"), &["alice"]);
    process.publish(accepted(42, &document)).await;

    let (mut sizes, mut commands, mut reached) = (vec![], BTreeSet::new(), BTreeSet::new());
    for _ in 0..3 {
        let issued = process.tap.next::<CommandIssued>().await;
        assert_eq!((issued.source.as_str(), issued.subject.as_str()), ("/scheduler", "42"));
        let issued = issued.data;
        assert_eq!(issued.document, document, "byte for byte");
        assert_eq!((issued.action, issued.at), (ActionId(42), NOW));
        assert_eq!(issued.expire_after, NOW + Duration::minutes(10));
        sizes.push(issued.commands.len());
        for command in issued.commands {
            assert_eq!(command.failed, None);
            assert!(commands.insert(command.id) && reached.insert(command.agent));
        }
    }
    assert_eq!(sizes, [500, 500, 201]);
    assert_eq!(reached, (1..=1201).map(AgentId).collect());

    let changed = process.tap.next::<ActionChanged>().await.data;
    assert_eq!((changed.id, changed.status.as_str()), (ActionId(42), "inflight"));
    assert_eq!((changed.counters.targeted, changed.counters.done()), (1201, 0));
    assert_eq!((changed.reason, changed.started, changed.finished), (None, Some(NOW), None));
    let run = process.run(42).await;
    assert_eq!((run.counters(), run.version), ([1201, 0, 0, 0, 0, 0], changed.version));
    let rows = process.commands(42).await;
    assert_eq!(rows.iter().map(|row| types::CommandId(row.id)).collect::<BTreeSet<_>>(), commands);
    assert!(rows.iter().all(|row| row.status == "sent" && row.open));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_again_changes_nothing() {
    let mut process = Process::new().await;
    process.agents(&agents(2)).await;
    let document = signed(action("a"), &["alice"]);
    let first = delivery(accepted(1, &document));
    assert_eq!(process.hand("actions", &[first.clone(), first.clone()]).await, Outcome::Done);
    let before = process.until(1, "inflight").await;
    let again = delivery(accepted(1, &document));
    assert_eq!(process.hand("actions", &[first.clone(), again, first]).await, Outcome::Done);
    process.job("launch").await;
    assert_eq!(process.run(1).await, before);
    assert_eq!(process.commands(1).await.len(), 2);
    process.tap.next::<CommandIssued>().await;
    process.tap.next::<ActionChanged>().await;
    process.silent_of(&[CommandIssued::KIND, ActionChanged::KIND]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_belongs_to_the_document_that_came_first() {
    let process = Process::new().await;
    process.agents(&agents(1)).await;
    let document = process.accept(1, action("first")).await;
    process.accept(1, action("second")).await;
    process.until(1, "inflight").await;
    assert_eq!(process.text("select document as text from run").await, document);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_are_told_of_are_aimed_at() {
    let mut process = Process::new().await;
    process.publish(agent(7)).await;
    until(PATIENCE, async || process.count("agent").await == 1).await;
    let target = "tags->>'role'='web' AND status='online'".into();
    process.accept(1, types::Action { target, ..action("a") }).await;
    let issued = process.tap.next::<CommandIssued>().await.data;
    assert_eq!(issued.commands[0].agent, AgentId(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_of_the_largest_size_is_issued() {
    let mut process = Process::new().await;
    process.agents(&agents(3)).await;
    let mut noise = vec![0_u8; 300 * 1024];
    rand::fill(noise.as_mut_slice());
    let mut large = action("large");
    // noise in digits and quotes: as hard to pack as text gets
    let pairs = noise
        .iter()
        .flat_map(|byte| ['"', char::from(b'a' + byte / 16), char::from(b'a' + byte % 16)]);
    let text: String = pairs.collect();
    let room = types::action::MAX_DOCUMENT - signed(large.clone(), &["alice"]).len() - 10;
    let text: String = text.chars().take(room * 3 / 4).collect();
    large.operations.as_mut().unwrap()[0].parameters = text.into();
    let document = signed(large, &["alice"]);
    assert!(document.len() <= types::action::MAX_DOCUMENT, "{}", document.len());
    assert!(document.len() > types::action::MAX_DOCUMENT * 9 / 10, "{}", document.len());
    process.publish(accepted(1, &document)).await;
    assert_eq!(process.tap.next::<CommandIssued>().await.data.document, document);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_is_refused_and_stops_nothing() {
    let process = Process::new().await;
    process.agents(&agents(1)).await;
    let good = delivery(accepted(1, &signed(action("a"), &["alice"])));
    for (stream, kind, body) in [
        ("actions", ActionAccepted::KIND, &b"{"[..]),
        ("actions", ActionAccepted::KIND, b"{}"),
        ("actions", "action.cancelled.v1", b"[1]"),
        ("commands", CommandReturned::KIND, b"\xff"),
        ("actions", CommandReturned::KIND, &good.body),
    ] {
        let broken = Delivery::new(Uuid::now_v7(), kind, body.to_vec());
        let outcome = process.hand(stream, &[broken]).await;
        assert!(matches!(outcome, Outcome::Reject(_)), "{kind}: {outcome:?}");
    }
    // on the broker the broken one of a batch is buried, and the others are done
    process.servers.vhost.publish_raw(ActionAccepted::KIND, Uuid::now_v7(), b"{").await;
    process.servers.vhost.publish_raw(ActionAccepted::KIND, good.id, &good.body).await;
    until(PATIENCE, async || process.count("run").await == 1).await;
    process.until(1, "inflight").await;
    let dead = async || process.servers.vhost.queue_length(messaging::DEAD).await;
    until(PATIENCE, async || dead().await == Some(1)).await;
}
