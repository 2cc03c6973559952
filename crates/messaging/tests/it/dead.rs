//! What can never be done goes to the dead letters, with a reason, and holds nobody back.

use crate::support::{Counted, NUMBERS, Process, database};
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, message::BasicGetMessage};
use messaging::{DEAD, Outcome};
use testkit::{PATIENCE, Vhost, until, vhost};
use types::Message;
use uuid::Uuid;

pub(crate) fn header(properties: &BasicProperties, name: &str) -> String {
    match properties.headers().as_ref().unwrap().inner().get(name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        Some(AMQPValue::LongUInt(number)) => number.to_string(),
        other => panic!("{name} is {other:?}"),
    }
}

/// Takes the next message of a queue.
pub(crate) async fn get(vhost: &Vhost, queue: &str) -> BasicGetMessage {
    until(PATIENCE, async || vhost.queue_length(queue).await.is_some_and(|length| length > 0))
        .await;
    let options = BasicGetOptions { no_ack: true };
    vhost.channel().await.basic_get(queue.into(), options).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_poisoned_message_is_found_and_the_others_flow() {
    let (database, vhost) = (database().await, vhost().await);
    let mut process = Process::ruled(database.store(), &vhost.settings(), |_, counted, _| {
        (counted.n == 50).then(|| Outcome::Reject("fifty is not a number".into()))
    });
    process.put(0..101).await;
    process.relay();
    process.consume(NUMBERS);
    process.effects(100).await;
    let dead = get(&vhost, DEAD).await;
    assert_eq!(header(&dead.properties, "x-reason"), "fifty is not a number");
    assert_eq!(header(&dead.properties, "x-queue"), "counter.numbers");
    assert_eq!(dead.properties.kind().as_ref().unwrap().as_str(), Counted::KIND);
    assert_eq!(dead.routing_key.as_str(), "counter.numbers");
    let envelope: types::Envelope<Counted> = serde_json::from_slice(&dead.data).unwrap();
    assert_eq!(envelope.data.n, 50);
    assert_eq!(vhost.queue_length("counter.numbers").await, Some(0));
    process.stop().await;
}

#[tokio::test]
async fn what_nobody_can_read_is_buried_at_once() {
    let (database, vhost) = (database().await, vhost().await);
    let mut process = Process::new(database.store(), &vhost.settings());
    process.consume(NUMBERS);
    until(PATIENCE, async || vhost.queue_length("counter.numbers").await.is_some()).await;

    vhost.publish_raw(Counted::KIND, Uuid::now_v7(), b"{").await;
    let dead = get(&vhost, DEAD).await;
    assert!(header(&dead.properties, "x-reason").contains("does not parse"));

    let channel = vhost.channel().await;
    let nameless = BasicProperties::default().with_content_encoding("gzip".into());
    let send = channel.basic_publish(
        messaging::EXCHANGE.into(),
        Counted::KIND.into(),
        BasicPublishOptions::default(),
        b"no gzip",
        nameless,
    );
    send.await.unwrap();
    let dead = get(&vhost, DEAD).await;
    assert!(header(&dead.properties, "x-reason").contains("does not unpack"));
    assert_eq!(dead.data, b"no gzip");
    process.stop().await;
}

/// The broker tells messages without an id apart by nothing: one that came back must not be taken for one that arrived.
#[tokio::test]
async fn what_has_no_id_is_not_lost_when_the_dead_have_no_place() {
    let (database, vhost) = (database().await, vhost().await);
    let mut process = Process::new(database.store(), &vhost.settings());
    process.consume(NUMBERS);
    until(PATIENCE, async || vhost.queue_length("counter.numbers").await.is_some()).await;
    let channel = vhost.channel().await;
    let send = async |body: &[u8]| {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let (exchange, key) = (messaging::EXCHANGE.into(), Counted::KIND.into());
        channel.basic_publish(exchange, key, options, body, properties).await.unwrap();
    };
    send(b"first").await;
    assert_eq!(get(&vhost, DEAD).await.data, b"first");
    // what buries is there already, and declares nothing again
    channel.queue_delete(DEAD.into(), QueueDeleteOptions::default()).await.unwrap();
    send(b"second").await;
    assert_eq!(get(&vhost, DEAD).await.data, b"second");
    process.stop().await;
}

/// A process that dies with a message in its hands each time: the broker itself gives the message up.
#[tokio::test]
async fn a_message_that_kills_its_consumers_is_given_up() {
    let (database, vhost) = (database().await, vhost().await);
    let mut process = Process::new(database.store(), &vhost.settings());
    process.consume(NUMBERS);
    until(PATIENCE, async || vhost.queue_length("counter.numbers").await.is_some()).await;
    process.stop().await;
    vhost.publish("other", crate::support::NOW, Counted::new(1)).await;

    let channel = vhost.channel().await;
    let options = BasicConsumeOptions::default();
    let mut consumer = channel
        .basic_consume("counter.numbers".into(), "".into(), options, FieldTable::default())
        .await
        .unwrap();
    let again = BasicNackOptions { requeue: true, multiple: false };
    for _ in 0..21 {
        let delivery = futures_util::StreamExt::next(&mut consumer).await.unwrap().unwrap();
        delivery.nack(again).await.unwrap();
    }
    let dead = get(&vhost, DEAD).await;
    assert_eq!(header(&dead.properties, "x-first-death-reason"), "delivery_limit");
    assert_eq!(header(&dead.properties, "x-first-death-queue"), "counter.numbers");
}
