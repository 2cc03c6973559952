//! Which exchanges and queues there are, and how a message travels between them.
//!
//! ```text
//! exchange "writ" (topic) ──kind──▶ "<service>.<stream>" (quorum) ──▶ consumer
//!                                      ▲            │ later              │ never, or given up
//!                      30 s, then back │            ▼                    ▼
//!                                   "<service>.<stream>.wait"     exchange "writ.dead" ──▶ queue "writ.dead"
//! ```
//!
//! The way to the wait queue and back leads over the exchange "writ.again": through the default exchange an account
//! could publish into any queue there is (see `rights`).
//!
//! Everything is declared anew on each connection, so that a broker that came back empty is whole again. What all
//! services share is only looked for, and declared where it is missing: an account that may not do that needs it to be
//! there.

use crate::Queue;
use crate::link::{Link, LinkError, rpc};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ExchangeKind};
use uuid::Uuid;

/// Names the topic exchange of all messages.
pub const EXCHANGE: &str = "writ";
/// Names the topic exchange over which a message waits, and comes again.
pub const AGAIN: &str = "writ.again";
/// Names the exchange, and the queue, of dead letters.
pub const DEAD: &str = "writ.dead";

/// How long a message waits before it comes again.
const WAIT_MILLISECONDS: i32 = 30_000;
/// After so many deliveries that nobody answered (the process died each time) the broker itself gives a message up.
const DELIVERY_LIMIT: i32 = 20;

const EXCHANGES: [(&str, ExchangeKind); 3] =
    [(EXCHANGE, ExchangeKind::Topic), (AGAIN, ExchangeKind::Topic), (DEAD, ExchangeKind::Fanout)];

/// Opens a channel, once there is what every service needs: the exchanges and the queue of dead letters.
pub(crate) async fn open(link: &Link) -> Result<Channel, LinkError> {
    let channel = link.channel().await?;
    if find_base(&channel).await.is_ok() {
        return Ok(channel);
    }
    // the broker closes a channel on which something was not found
    let channel = link.channel().await?;
    declare_base(&channel).await?;
    Ok(channel)
}

async fn find_base(channel: &Channel) -> Result<(), LinkError> {
    let look = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    for (name, kind) in EXCHANGES {
        rpc(channel.exchange_declare(name.into(), kind, look, FieldTable::default())).await?;
    }
    let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    rpc(channel.queue_declare(DEAD.into(), look, FieldTable::default())).await?;
    Ok(())
}

async fn declare_base(channel: &Channel) -> Result<(), LinkError> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    for (name, kind) in EXCHANGES {
        rpc(channel.exchange_declare(name.into(), kind, durable, FieldTable::default())).await?;
    }
    declare_quorum(channel, DEAD, []).await?;
    bind(channel, DEAD, DEAD, "").await
}

/// Declares what `queue` needs, binds it to `kinds`, and gives its name.
pub(crate) async fn declare_queue(
    channel: &Channel,
    service: &str,
    queue: Queue,
    kinds: &[&str],
) -> Result<String, LinkError> {
    let name = match queue {
        Queue::Stream(_) => {
            let name = queue.consumer(service);
            let back = [
                ("x-message-ttl", AMQPValue::LongInt(WAIT_MILLISECONDS)),
                ("x-dead-letter-exchange", text(AGAIN)),
                ("x-dead-letter-routing-key", text(&name)),
                // the message stays here until the queue itself has confirmed it
                ("x-dead-letter-strategy", text("at-least-once")),
                ("x-overflow", text("reject-publish")),
            ];
            let wait = wait_queue(&name);
            declare_quorum(channel, &wait, back).await?;
            bind(channel, &wait, AGAIN, &wait).await?;
            let dead = [
                ("x-delivery-limit", AMQPValue::LongInt(DELIVERY_LIMIT)),
                ("x-dead-letter-exchange", text(DEAD)),
                ("x-dead-letter-strategy", text("at-least-once")),
                ("x-overflow", text("reject-publish")),
            ];
            declare_quorum(channel, &name, dead).await?;
            bind(channel, &name, AGAIN, &name).await?;
            name
        }
        Queue::Process(_) => {
            // a new name each time: after a cut the broker may still hold the old one for the old connection
            let name = format!("{}.{}", queue.consumer(service), Uuid::now_v7().simple());
            let own = QueueDeclareOptions {
                exclusive: true,
                auto_delete: true,
                ..QueueDeclareOptions::default()
            };
            rpc(channel.queue_declare(name.as_str().into(), own, FieldTable::default())).await?;
            name
        }
    };
    for kind in kinds {
        bind(channel, &name, EXCHANGE, kind).await?;
    }
    Ok(name)
}

/// Names the queue in which the messages of `queue` wait to come again.
pub(crate) fn wait_queue(queue: &str) -> String {
    format!("{queue}.wait")
}

/// Tells whether a message of this kind must reach a queue.
///
/// Kinds that only queues of single processes listen to need not: a process that does not run misses nothing, as it
/// asks for everything when it starts, and without any process running there is no queue at all. Nor need a count that
/// comes again each minute. Every other kind goes to durable queues, which exist from the first start of their service
/// on; as long as there is none, its messages stay in the outbox.
pub(crate) fn needs_queue(kind: &str) -> bool {
    use types::Message;
    use types::messages::{
        InvestigatorChanged, InvestigatorDigest, LoaderDigest, ReplicaRequested,
    };
    let lost = [
        InvestigatorChanged::KIND,
        InvestigatorDigest::KIND,
        LoaderDigest::KIND,
        ReplicaRequested::KIND,
    ];
    !lost.contains(&kind)
}

async fn declare_quorum(
    channel: &Channel,
    name: &str,
    arguments: impl IntoIterator<Item = (&str, AMQPValue)>,
) -> Result<(), LinkError> {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), text("quorum"));
    for (key, value) in arguments {
        table.insert(key.into(), value);
    }
    rpc(channel.queue_declare(name.into(), QueueDeclareOptions::durable(), table)).await?;
    Ok(())
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), LinkError> {
    let options = QueueBindOptions::default();
    rpc(channel.queue_bind(
        queue.into(),
        exchange.into(),
        key.into(),
        options,
        FieldTable::default(),
    ))
    .await
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[cfg(test)]
mod tests {
    use super::needs_queue;

    #[test]
    fn only_what_can_be_asked_for_again_may_go_nowhere() {
        let free: Vec<_> = types::messages::KINDS
            .iter()
            .map(|kind| kind.kind)
            .filter(|kind| !needs_queue(kind))
            .collect();
        assert_eq!(
            free,
            [
                "investigator.changed.v1",
                "investigator.digest.v1",
                "replica.requested.v1",
                "loader.digest.v1"
            ]
        );
    }
}
