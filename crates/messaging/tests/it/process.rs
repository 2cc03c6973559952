//! Queues of single processes.

use crate::support::{Process, database};
use messaging::{Outcome, Queue, Settings};
use std::sync::atomic::Ordering;
use testkit::{PATIENCE, Proxy, Tap, until, vhost};

const OWN: Queue = Queue::Process("own");

/// Notes the sum of the numbers that come, in this process alone.
fn listener(store: store::Store, settings: &Settings) -> Process {
    Process::ruled(store, settings, |counter, counted, _| {
        counter.seen.fetch_add(usize::try_from(counted.n).unwrap(), Ordering::SeqCst);
        Some(Outcome::Done)
    })
}

async fn sum(process: &Process, expected: usize) {
    until(PATIENCE, async || process.counter.seen.load(Ordering::SeqCst) == expected).await;
}

#[tokio::test]
async fn each_process_gets_every_message_and_is_there_again_after_a_cut() {
    let (database, vhost) = (database().await, vhost().await);
    let proxy = Proxy::before(vhost.url()).await;
    let mut near = listener(database.store(), &vhost.settings());
    let mut far = listener(database.store(), &Settings::new(proxy.through(vhost.url())));
    near.relay();
    near.consume(OWN);
    far.relay();
    far.consume(OWN);
    near.connected().await;
    far.connected().await;
    near.put([1]).await;
    sum(&near, 1).await;
    sum(&far, 1).await;
    assert_eq!(far.counter.connected.load(Ordering::SeqCst), 1);

    proxy.cut();
    until(PATIENCE, async || !far.bus.is_connected()).await;
    near.put([10]).await;
    sum(&near, 11).await;
    proxy.resume();
    until(PATIENCE, async || far.counter.connected.load(Ordering::SeqCst) == 2).await;
    near.put([100]).await;
    sum(&near, 111).await;
    // what was said while it was away is missed: `connected` is the moment to ask for it
    sum(&far, 101).await;
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn what_a_process_cannot_take_is_dropped_and_not_buried() {
    let (database, vhost) = (database().await, vhost().await);
    let mut tap = Tap::new(&vhost).await;
    let mut process = Process::ruled(database.store(), &vhost.settings(), |counter, counted, _| {
        counter.seen.fetch_add(1, Ordering::SeqCst);
        Some(if counted.n == 0 { Outcome::Reject("none".into()) } else { Outcome::Done })
    });
    process.relay();
    process.consume(OWN);
    process.connected().await;
    process.put([0]).await;
    process.put([1]).await;
    tap.next::<crate::support::Counted>().await;
    until(PATIENCE, async || process.counter.seen.load(Ordering::SeqCst) >= 2).await;
    assert_eq!(vhost.queue_length(messaging::DEAD).await, Some(0));
    process.stop().await;
}
