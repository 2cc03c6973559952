//! The loop of one consumer: connect, declare, take batches; at any error start over.

use crate::batch;
use crate::link::{LinkError, Pause, rpc};
use crate::settle::Settler;
use crate::{Bus, Queue, Shutdown, Subscription, topology};
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use std::sync::Arc;
use store::Store;
use types::messages;

/// How many deliveries the broker sends ahead.
const PREFETCH: u16 = 200;
/// How many of kinds that may be large: all that is sent ahead lies in memory.
const PREFETCH_LARGE: u16 = 16;

/// Feeds `subscription` from its queue until `shutdown`; the batch at hand is then ended first.
///
/// `store` is asked only whether the database is up: while it is not, nothing is taken and nothing counts as failed.
pub fn consume<S: Send + Sync + 'static>(
    bus: Bus,
    store: Store,
    state: Arc<S>,
    subscription: Subscription<S>,
    shutdown: Shutdown,
) -> impl Future<Output = ()> + Send + 'static {
    // from now on and not from the first poll on: the relay waits for it
    let wanted = bus.want_consumer(subscription.queue);
    async move {
        let mut pause = Pause::new();
        while !shutdown.is_triggered() {
            let ended =
                session(&wanted, &store, &*state, &subscription, &shutdown, &mut pause).await;
            let Err(error) = ended else { break };
            if shutdown.is_triggered() {
                break;
            }
            let queue = subscription.queue.consumer(bus.service());
            tracing::warn!(error = %error, queue, "lost the queue; connecting again");
            tokio::select! {
                () = shutdown.wait() => {}
                () = tokio::time::sleep(pause.take()) => {}
            }
        }
    }
}

async fn session<S: Send + Sync + 'static>(
    wanted: &crate::bus::Consumer,
    store: &Store,
    state: &S,
    subscription: &Subscription<S>,
    shutdown: &Shutdown,
    pause: &mut Pause,
) -> Result<(), LinkError> {
    let bus = wanted.bus();
    let channel = topology::open(bus.consuming()).await?;
    let (queue, mut consumer) = attach(&channel, bus.service(), subscription).await?;
    let _attached = wanted.attach();
    tracing::debug!(queue, "attached");
    if let Some(connected) = subscription.connected {
        connected(state).await;
    }
    let mut settler = Settler::new(bus, store, state, subscription, &channel, &queue, shutdown);
    let mut last = 0;
    loop {
        let batch = tokio::select! {
            biased;
            () = shutdown.wait() => break,
            batch = batch::next(&mut consumer, last) => batch?,
        };
        last = batch.len();
        settler.settle(batch).await?;
        pause.reset();
        if shutdown.is_triggered() {
            break;
        }
    }
    detach(&channel, &consumer).await;
    Ok(())
}

/// Declares the queue and starts to read it.
async fn attach<S>(
    channel: &Channel,
    service: &str,
    subscription: &Subscription<S>,
) -> Result<(String, Consumer), LinkError> {
    let queue =
        topology::declare_queue(channel, service, subscription.queue, subscription.kinds).await?;
    rpc(channel.basic_qos(prefetch(subscription.kinds), BasicQosOptions::default())).await?;
    let options = BasicConsumeOptions {
        exclusive: matches!(subscription.queue, Queue::Process(_)),
        ..BasicConsumeOptions::default()
    };
    let name = queue.as_str().into();
    let consumer =
        rpc(channel.basic_consume(name, "".into(), options, FieldTable::default())).await?;
    Ok((queue, consumer))
}

fn prefetch(kinds: &[&str]) -> u16 {
    let may_be_large =
        |kind: &&str| messages::kind(kind).is_some_and(|kind| kind.max_body > messages::USUAL_BODY);
    if kinds.iter().any(may_be_large) { PREFETCH_LARGE } else { PREFETCH }
}

/// Gives back at once what was sent ahead; when it fails, the end of the connection does so.
async fn detach(channel: &Channel, consumer: &Consumer) {
    let _cancelled = rpc(channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await;
    let _closed = rpc(channel.close(200, "OK".into())).await;
}

#[cfg(test)]
mod tests {
    use super::{PREFETCH, PREFETCH_LARGE, prefetch};

    #[test]
    fn little_is_sent_ahead_of_what_may_be_large() {
        assert_eq!(prefetch(&["agent.seen.v1", "agent.changed.v1"]), PREFETCH);
        assert_eq!(prefetch(&["agent.seen.v1", "command.returned.v1"]), PREFETCH_LARGE);
    }
}
