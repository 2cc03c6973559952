//! What cannot be done now is tried again: at once, and then later.

use crate::dead::{get, header};
use crate::support::{Counted, NOW, NUMBERS, Process, database};
use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use messaging::{DEAD, Outcome};
use std::sync::atomic::Ordering;
use testkit::{Database, Vhost, vhost};
use types::{Envelope, Message};
use uuid::Uuid;

/// Publishes straight to a queue, as what comes again does.
async fn publish_again(
    vhost: &Vhost,
    queue: &str,
    counts: &[(&str, u32)],
    properties: BasicProperties,
) {
    let envelope = Envelope::new(Uuid::now_v7(), "other", NOW, Counted::new(1));
    let mut headers = FieldTable::default();
    for (name, count) in counts {
        headers.insert((*name).into(), AMQPValue::LongUInt(*count));
    }
    let properties = properties
        .with_message_id(envelope.id.to_string().into())
        .with_type(Counted::KIND.into())
        .with_headers(headers);
    let body = serde_json::to_vec(&envelope).unwrap();
    let options = BasicPublishOptions::default();
    vhost
        .channel()
        .await
        .basic_publish("".into(), queue.into(), options, &body, properties)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_short_trouble_is_waited_out_in_place() {
    let (database, vhost) = (database().await, vhost().await);
    let mut process =
        Process::ruled(database.store(), &vhost.settings(), |counter, _, delivery| {
            assert_eq!(delivery.attempt, 1);
            (counter.seen.fetch_add(1, Ordering::SeqCst) < 2)
                .then(|| Outcome::Retry("not yet".into()))
        });
    process.put([1]).await;
    process.relay();
    process.consume(NUMBERS);
    process.effects(1).await;
    assert_eq!(process.counter.seen.load(Ordering::SeqCst), 3);
    assert_eq!(vhost.queue_length("counter.numbers.wait").await, Some(0));
    process.stop().await;
}

#[tokio::test]
async fn a_long_trouble_of_one_message_does_not_hold_up_the_others() {
    let (database, vhost) = (database().await, vhost().await);
    let mut process = Process::ruled(database.store(), &vhost.settings(), |_, counted, _| {
        (counted.n == 7).then(|| Outcome::Retry("seven is not ready".into()))
    });
    process.put(0..21).await;
    process.relay();
    process.consume(NUMBERS);
    process.effects(20).await;
    let waiting = get(&vhost, "counter.numbers.wait").await;
    assert_eq!(header(&waiting.properties, "x-attempt"), "2");
    assert_eq!(header(&waiting.properties, "x-reason"), "seven is not ready");
    assert_eq!(vhost.queue_length("counter.numbers").await, Some(0));
    process.stop().await;
}

#[tokio::test]
async fn what_waited_comes_back_and_counts_its_attempts() {
    let (database, vhost) = (database().await, vhost().await);
    let mut process =
        Process::ruled(database.store(), &vhost.settings(), |counter, _, delivery| {
            counter.seen.store(delivery.attempt.try_into().unwrap(), Ordering::SeqCst);
            None
        });
    process.consume(NUMBERS);
    testkit::until(testkit::PATIENCE, async || {
        vhost.queue_length("counter.numbers").await.is_some()
    })
    .await;
    // the half minute of the queue, cut short for this message
    let soon = BasicProperties::default().with_expiration("50".into());
    publish_again(&vhost, "counter.numbers.wait", &[("x-attempt", 3)], soon).await;
    process.effects(1).await;
    assert_eq!(process.counter.seen.load(Ordering::SeqCst), 3);
    process.stop().await;
}

#[tokio::test]
async fn the_eighth_attempt_is_the_last() {
    let (database, vhost) = (database().await, vhost().await);
    let mut process = Process::ruled(database.store(), &vhost.settings(), |_, _, _| {
        Some(Outcome::Retry("never ready".into()))
    });
    process.consume(NUMBERS);
    testkit::until(testkit::PATIENCE, async || {
        vhost.queue_length("counter.numbers").await.is_some()
    })
    .await;
    publish_again(&vhost, "counter.numbers", &[("x-attempt", 8)], BasicProperties::default()).await;
    let dead = get(&vhost, DEAD).await;
    assert_eq!(header(&dead.properties, "x-reason"), "given up after 8 attempts: never ready");
    assert_eq!(header(&dead.properties, "x-attempt"), "8");
    process.stop().await;
}

/// Starts a process that waits with the number 1 for another one, and waits until its queue stands.
async fn waiting() -> (Database, Vhost, Process) {
    let (database, vhost) = (database().await, vhost().await);
    let mut process =
        Process::ruled(database.store(), &vhost.settings(), |counter, counted, delivery| {
            assert!(delivery.attempt == 1 || delivery.waited > 0);
            counter.seen.fetch_add(usize::from(counted.n == 1), Ordering::SeqCst);
            (counted.n == 1).then(|| Outcome::Wait("another comes first".into()))
        });
    process.consume(NUMBERS);
    testkit::until(testkit::PATIENCE, async || {
        vhost.queue_length("counter.numbers").await.is_some()
    })
    .await;
    (database, vhost, process)
}

#[tokio::test]
async fn what_waits_for_another_message_is_put_off_after_a_moment() {
    let (_database, vhost, mut process) = waiting().await;
    process.relay();
    process.put(0..21).await;
    process.effects(20).await;
    let put_off = get(&vhost, "counter.numbers.wait").await;
    assert_eq!(header(&put_off.properties, "x-waited"), "1");
    assert_eq!(header(&put_off.properties, "x-reason"), "another comes first");
    let headers = put_off.properties.headers().as_ref().unwrap().inner();
    assert!(!headers.contains_key("x-attempt"), "it is no failure: {headers:?}");
    // at first, twice more in place, and once apart from the others
    let seen = process.counter.seen.load(Ordering::SeqCst);
    assert!(seen <= 4, "it was handed over {seen} times");
    process.stop().await;
}

#[tokio::test]
async fn waits_are_no_failures_and_end_after_a_day() {
    let (_database, vhost, process) = waiting().await;
    let counts = [("x-attempt", 8), ("x-waited", 2_879)];
    publish_again(&vhost, "counter.numbers", &counts, BasicProperties::default()).await;
    let put_off = get(&vhost, "counter.numbers.wait").await;
    assert_eq!(header(&put_off.properties, "x-waited"), "2880");
    assert_eq!(header(&put_off.properties, "x-attempt"), "8");
    publish_again(&vhost, "counter.numbers", &[("x-waited", 2_880)], BasicProperties::default())
        .await;
    let dead = get(&vhost, DEAD).await;
    assert_eq!(
        header(&dead.properties, "x-reason"),
        "given up after 2880 waits: another comes first"
    );
    process.stop().await;
}
