//! Messages that nobody wants yet.

use crate::support::{Counted, NOW, NUMBERS, Process, database};
use testkit::{PATIENCE, until, vhost};
use types::messages::ReplicaRequested;

#[tokio::test]
async fn a_message_waits_in_the_outbox_until_somebody_listens() {
    let (database, vhost) = (database().await, vhost().await);
    let mut process = Process::new(database.store(), &vhost.settings());
    process.relay();
    process.put(0..20).await;
    let tried = "messaging.outbox where attempts > 0";
    until(PATIENCE, async || process.count(tried).await == 20).await;
    process.consume(NUMBERS);
    process.effects(20).await;
    process.empty_outbox().await;
    process.stop().await;
}

#[tokio::test]
async fn returned_and_wanted_messages_of_one_batch_are_told_apart() {
    let (database, vhost) = (database().await, vhost().await);
    let mut process = Process::new(database.store(), &vhost.settings());
    process.consume(NUMBERS);
    until(PATIENCE, async || vhost.queue_length("counter.numbers").await.is_some()).await;
    // one transaction, and so one batch of the relay: every second message is of a kind that nobody wants
    process
        .store
        .tx(async |conn: &mut store::Conn| -> Result<(), store::Failure> {
            for n in 0..60 {
                process.bus.put(conn, NOW, &Counted::new(n)).await?;
                process.bus.put(conn, NOW, &Unwanted { n }).await?;
            }
            Ok(())
        })
        .await
        .unwrap();
    process.relay();
    process.effects(60).await;
    let wanted = "messaging.outbox where kind = 'test.counted.v1'";
    until(PATIENCE, async || process.count(wanted).await == 0).await;
    let kept = "messaging.outbox where kind = 'test.unwanted.v1' and attempts > 0";
    assert_eq!(process.count(kept).await, 60);
    process.stop().await;
}

#[tokio::test]
async fn what_can_be_asked_for_again_is_not_kept() {
    let (database, vhost) = (database().await, vhost().await);
    let mut process = Process::new(database.store(), &vhost.settings());
    let asked = ReplicaRequested { of: "agent".into(), by: "counter".into() };
    process.put_messages(&[asked]).await;
    assert_eq!(process.count("messaging.outbox").await, 1);
    process.relay();
    process.empty_outbox().await;
    process.stop().await;
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Unwanted {
    n: i64,
}

impl types::Message for Unwanted {
    const KIND: &'static str = "test.unwanted.v1";

    fn subject(&self) -> String {
        self.n.to_string()
    }
}
