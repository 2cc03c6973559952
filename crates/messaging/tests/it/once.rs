//! At least once on the wire, once in effect.

use crate::support::{Counted, NOW, NUMBERS, Process, database};
use diesel_async::RunQueryDsl;
use std::time::Duration;
use store::{Conn, Failure, sql};
use testkit::{PATIENCE, Tap, until, vhost};
use types::Clock;

#[tokio::test]
async fn what_comes_twice_counts_once() {
    let (database, vhost) = (database().await, vhost().await);
    let mut tap = Tap::new(&vhost).await;
    let mut process = Process::new(database.store(), &vhost.settings());
    process.put(0..300).await;
    // each message once more, as after a confirm that was lost
    let again = "insert into messaging.outbox (message_id, kind, body, gzip, created)
                 select message_id, kind, body, gzip, created from messaging.outbox";
    let mut conn = process.store.get().await.unwrap();
    assert_eq!(sql(again).execute(&mut conn).await.unwrap(), 300);
    drop(conn);
    process.relay();
    process.consume(NUMBERS);
    for _ in 0..600 {
        tap.next::<Counted>().await;
    }
    process.put([300]).await;
    process.effects(301).await;
    until(PATIENCE, async || vhost.queue_length("counter.numbers").await == Some(0)).await;
    process.empty_outbox().await;
    let batches = process.counter.batches.lock().unwrap().clone();
    assert!(batches.iter().sum::<usize>() >= 601, "not every message was handled: {batches:?}");
    assert!((2..=100).contains(batches.iter().max().unwrap()), "{batches:?}");
    process.stop().await;
}

#[tokio::test]
async fn what_is_rolled_back_is_never_said() {
    let (database, vhost) = (database().await, vhost().await);
    let mut tap = Tap::new(&vhost).await;
    let mut process = Process::new(database.store(), &vhost.settings());
    process.relay();
    let undone: Result<(), Failure> = process
        .store
        .tx(async |conn: &mut Conn| {
            process.bus.put(conn, NOW, &Counted::new(1)).await?;
            Err(Failure::NotFound)
        })
        .await;
    undone.unwrap_err();
    process.put([2]).await;
    let envelope = tap.next::<Counted>().await;
    assert_eq!(envelope.data.n, 2);
    assert_eq!(
        (envelope.source.as_str(), envelope.time, envelope.subject.as_str()),
        ("/counter", NOW, "2")
    );
    tap.silence(Duration::from_millis(200)).await;
    process.stop().await;
}

#[tokio::test]
async fn two_relays_share_the_work_and_say_nothing_twice() {
    let (database, vhost) = (database().await, vhost().await);
    let mut tap = Tap::new(&vhost).await;
    let (store, settings) = (database.store(), vhost.settings());
    let (mut one, mut two) =
        (Process::new(store.clone(), &settings), Process::new(store, &settings));
    one.put(0..500).await;
    one.relay();
    two.relay();
    let mut heard = Vec::new();
    for _ in 0..500 {
        heard.push(tap.next::<Counted>().await.data.n);
    }
    heard.sort_unstable();
    assert!(heard.into_iter().eq(0..500));
    tap.silence(Duration::from_millis(200)).await;
    one.empty_outbox().await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn one_relay_keeps_the_order() {
    let (database, vhost) = (database().await, vhost().await);
    let mut tap = Tap::new(&vhost).await;
    let mut process = Process::new(database.store(), &vhost.settings());
    process.put(0..450).await;
    process.relay();
    for n in 0..450 {
        assert_eq!(tap.next::<Counted>().await.data.n, n);
    }
    process.stop().await;
}

#[tokio::test]
async fn what_was_put_before_the_end_goes_out_before_the_end() {
    let (database, vhost) = (database().await, vhost().await);
    let mut tap = Tap::new(&vhost).await;
    let mut process = Process::new(database.store(), &vhost.settings());
    process.relay();
    process.put(0..10).await;
    let store = process.store.clone();
    process.stop().await;
    for n in 0..10 {
        assert_eq!(tap.next::<Counted>().await.data.n, n);
    }
    let process = Process::new(store, &vhost.settings());
    assert_eq!(process.count("messaging.outbox").await, 0);
}

#[tokio::test]
async fn the_inbox_forgets_what_is_old() {
    let database = database().await;
    let store = database.store();
    let mut conn = store.get().await.unwrap();
    sql("insert into messaging.inbox select 'c', gen_random_uuid(), now() - interval '15 days' from generate_series(1, 12000)")
        .execute(&mut conn)
        .await
        .unwrap();
    sql("insert into messaging.inbox select 'c', gen_random_uuid(), now() - interval '13 days' from generate_series(1, 7)")
        .execute(&mut conn)
        .await
        .unwrap();
    let shutdown = messaging::Shutdown::new();
    let settings = messaging::Settings::new("amqp://localhost");
    let process = Process::new(store.clone(), &settings);
    let purging = messaging::purge(store, Clock::system(), shutdown.clone());
    tokio::join!(purging, async {
        until(PATIENCE, async || process.count("messaging.inbox").await == 7).await;
        shutdown.trigger();
    });
}
