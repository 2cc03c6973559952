//! Cut and dead lines, to the broker and to the database.

use crate::support::{NUMBERS, Process, database};
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use messaging::{DEAD, Outcome, Settings};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use store::{Store, pool};
use testkit::{PATIENCE, Proxy, Services, until, vhost};
use tokio::runtime::Handle;

#[tokio::test]
async fn a_cut_line_to_the_broker_is_mended() {
    let (database, vhost) = (database().await, vhost().await);
    let proxy = Proxy::before(vhost.url()).await;
    let mut process = Process::new(database.store(), &Settings::new(proxy.through(vhost.url())));
    process.relay();
    process.consume(NUMBERS);
    process.connected().await;
    process.put(0..10).await;
    process.effects(10).await;
    for round in 1..=3 {
        proxy.cut();
        process.put(round * 10..round * 10 + 10).await;
        until(PATIENCE, async || !process.bus.is_connected()).await;
        proxy.resume();
        process.effects(round * 10 + 10).await;
    }
    assert_eq!(process.counter.connected.load(Ordering::SeqCst), 4);
    process.stop().await;
}

#[tokio::test]
async fn a_line_that_went_dead_without_a_word_is_noticed() {
    let (database, vhost) = (database().await, vhost().await);
    let proxy = Proxy::before(vhost.url()).await;
    let url = format!("{}?heartbeat=1", proxy.through(vhost.url()));
    let mut process = Process::new(database.store(), &Settings::new(url));
    process.relay();
    process.consume(NUMBERS);
    process.connected().await;
    proxy.hold();
    process.put(0..10).await;
    until(PATIENCE, async || !process.bus.is_connected()).await;
    proxy.resume();
    process.effects(10).await;
    process.empty_outbox().await;
    process.stop().await;
}

/// The messages are not to blame when the database is away: none is put off, none is buried.
#[tokio::test]
async fn a_database_that_is_away_is_waited_for() {
    let (database, vhost) = (database().await, vhost().await);
    let proxy = Proxy::before(database.url()).await;
    let mut settings = database.settings().clone();
    settings.url = proxy.through(database.url());
    let store = Store::new(pool(&settings, Handle::current()).unwrap());

    let producer = {
        let mut producer = Process::new(database.store(), &vhost.settings());
        producer.relay();
        producer
    };
    let mut consumer = Process::new(store, &vhost.settings());
    consumer.consume(NUMBERS);
    until(PATIENCE, async || vhost.queue_length("counter.numbers").await.is_some()).await;
    proxy.cut();
    producer.put(0..50).await;
    producer.empty_outbox().await;
    // more tries than a message is given in place when it is its own fault
    let tries = || consumer.counter.batches.lock().unwrap().len();
    until(PATIENCE, async || tries() >= 8).await;
    let end = Instant::now() + Duration::from_millis(500);
    while Instant::now() < end {
        assert_eq!(vhost.queue_length("counter.numbers.wait").await, Some(0));
    }
    assert_eq!(producer.count("effect").await, 0);
    proxy.resume();
    producer.effects(50).await;
    assert_eq!(vhost.queue_length("counter.numbers.wait").await, Some(0));
    assert_eq!(vhost.queue_length(DEAD).await, Some(0));
    consumer.stop().await;
    producer.stop().await;
}

/// A broker that is short of memory holds publishers up, and says nothing more to them. It is nobody's fault: nothing is
/// given back, so that nothing comes near the limit of deliveries; nothing is connected anew, since the old connection
/// could not be closed; and what went out arrives when the broker goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_holds_publishers_up_is_waited_for() {
    /// Longer than any call waits for an answer, twice.
    const ALARM: Duration = Duration::from_secs(24);
    let broker = Services::own(&[("PS_PG", "0")]);
    let database = database().await;
    let proxy = Proxy::before(broker.amqp_url()).await;
    let settings = Settings::new(proxy.through(broker.amqp_url()));
    let mut first = Process::new(database.store(), &settings);
    first.consume(NUMBERS);
    let queue = async |name| length(broker.amqp_url(), name).await;
    until(PATIENCE, async || queue("counter.numbers").await.is_some()).await;
    first.stop().await;
    let mut second = Process::new(database.store(), &settings);
    second.relay();
    second.put(0..10).await;
    second.empty_outbox().await;
    second.stop().await;

    broker.alarm(true);
    let mut process = Process::ruled(database.store(), &settings, |_, counted, _| {
        (counted.n == 5).then(|| Outcome::Retry("five comes later".into()))
    });
    process.put(100..110).await;
    process.relay();
    process.consume(NUMBERS);
    process.connected().await;
    let connections = proxy.asked();
    // the fifth is to be put off, and stands before the others
    process.effects(5).await;
    let end = Instant::now() + ALARM;
    while Instant::now() < end {
        assert_eq!(proxy.asked(), connections, "it connected anew");
        let attached = process.counter.connected.load(Ordering::SeqCst);
        assert_eq!(attached, 1, "the deliveries were given back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(process.count("messaging.outbox").await, 10, "nothing got through");

    broker.alarm(false);
    process.effects(19).await;
    process.empty_outbox().await;
    until(PATIENCE, async || queue("counter.numbers.wait").await == Some(1)).await;
    until(PATIENCE, async || queue(DEAD).await == Some(0)).await;
    assert_eq!(process.counter.connected.load(Ordering::SeqCst), 1);
    assert_eq!(proxy.asked(), connections);
    process.stop().await;
}

/// Counts the messages of a queue; nothing when there is no such queue, or no answer.
async fn length(url: &str, queue: &str) -> Option<u32> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await.ok()?;
    let channel = connection.create_channel().await.ok()?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.into(), passive, FieldTable::default()).await;
    declared.ok().map(|queue| queue.message_count())
}
