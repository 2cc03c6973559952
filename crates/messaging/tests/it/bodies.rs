//! Large bodies.

use crate::support::{Counted, NOW, NUMBERS, Process, database};
use messaging::{MAX_BODY, Outcome};
use std::sync::atomic::Ordering;
use store::{Conn, Failure};
use testkit::{Tap, vhost};
use types::Message;

fn noise(length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        text.extend(uuid::Uuid::now_v7().simple().to_string().chars().skip(16));
    }
    text
}

#[tokio::test]
async fn a_large_body_travels_packed_and_arrives_whole() {
    let (database, vhost) = (database().await, vhost().await);
    let mut tap = Tap::new(&vhost).await;
    let mut process = Process::ruled(database.store(), &vhost.settings(), |counter, counted, _| {
        counter.seen.fetch_add(counted.text.len(), Ordering::SeqCst);
        None::<Outcome>
    });
    process.relay();
    process.consume(NUMBERS);
    let message = Counted { n: 1, text: noise(900_000) };
    process.put_messages(std::slice::from_ref(&message)).await;
    process.effects(1).await;
    assert_eq!(process.counter.seen.load(Ordering::SeqCst), message.text.len());
    let heard = tap.next_of(Counted::KIND, testkit::PATIENCE).await.unwrap();
    assert_eq!(heard.properties.content_encoding().as_ref().unwrap().as_str(), "gzip");
    process.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_when_it_is_put() {
    let database = database().await;
    let process = Process::new(database.store(), &messaging::Settings::new("amqp://localhost"));
    let message = Counted { n: 1, text: noise(3 * MAX_BODY) };
    let put: Result<(), Failure> = process
        .store
        .tx(async |conn: &mut Conn| Ok(process.bus.put(conn, NOW, &message).await?))
        .await;
    assert!(matches!(put, Err(Failure::Internal(_))), "{put:?}");
    assert_eq!(process.count("messaging.outbox").await, 0);
}
