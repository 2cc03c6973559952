//! Cut and dead lines, to the broker and to the database.

use crate::support::{NUMBERS, Process, database};
use messaging::{DEAD, Settings};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use store::{Store, pool};
use testkit::{PATIENCE, Proxy, until, vhost};
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
