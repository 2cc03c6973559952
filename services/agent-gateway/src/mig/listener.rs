//! Heartbeats and results on their way in: taken in batches, stored in one transaction, acknowledged after it.

use super::ahead::Ahead;
use super::desk::warn;
use super::topology::{self, HEARTBEATS, RESULTS};
use crate::app::App;
use crate::app::record_mig_results::MigAnswer;
use crate::app::room::{self, QUICK_BYTES};
use crate::domain::heartbeat::{HEARTBEAT_BYTES, Heartbeat, HeartbeatFault};
use crate::error::Error;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use messaging::link::{Link, LinkError, Pause, rpc};
use service::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How many bytes of bodies a batch has, but for a last one that is larger.
const BYTES: usize = 4 << 20;
/// How long a fuller batch is waited for when many came last time.
const LINGER: Duration = Duration::from_millis(5);
/// So many mean that many come.
const MANY: usize = 10;

/// Is one of the two queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Heartbeats of agents before November 2018.
    Heartbeats,
    /// Answers.
    Results,
}

impl Stream {
    /// Gives the queue's name.
    pub(super) fn queue(self) -> &'static str {
        match self {
            Self::Heartbeats => HEARTBEATS,
            Self::Results => RESULTS,
        }
    }
}

/// Listens until `shutdown`; at any error it starts over.
pub(super) async fn listen(app: Arc<App>, link: Arc<Link>, stream: Stream, shutdown: Shutdown) {
    let mut pause = Pause::new();
    let mut ahead = Ahead::of(stream);
    while !shutdown.is_triggered() {
        let ended = session(&app, &link, stream, &mut ahead, &shutdown, &mut pause).await;
        let Err(error) = ended else { continue };
        tracing::warn!(%error, queue = stream.queue(), "lost the queue; connecting again");
        let _either = tokio::time::timeout(pause.take(), shutdown.wait()).await;
    }
}

/// Works until `shutdown`, or until another number of messages is to be read ahead.
async fn session(
    app: &App,
    link: &Link,
    stream: Stream,
    ahead: &mut Ahead,
    shutdown: &Shutdown,
    pause: &mut Pause,
) -> Result<(), LinkError> {
    let channel = link.channel().await?;
    topology::declare(&channel, app.config.mig_exchange).await?;
    app.mig.declared.notify_one();
    rpc(channel.basic_qos(ahead.count(), BasicQosOptions::default())).await?;
    let (queue, options) = (stream.queue().into(), BasicConsumeOptions::default());
    let consume = channel.basic_consume(queue, "".into(), options, FieldTable::default());
    let mut consumer = rpc(consume).await?;
    tracing::debug!(queue = stream.queue(), "attached");
    let mut last = 0;
    while !shutdown.is_triggered() {
        let batch = tokio::select! {
            biased;
            () = shutdown.wait() => break,
            batch = next(&mut consumer, ahead.at_once(), last) => batch?,
        };
        last = batch.len();
        let largest = batch.iter().map(|delivery| delivery.data.len()).max().unwrap_or(0);
        let Some(tag) = batch.last().map(|delivery| delivery.delivery_tag) else { continue };
        let bodies = batch.into_iter().map(|delivery| delivery.data).collect();
        if !settle(app, stream, bodies, &channel, shutdown).await {
            break;
        }
        let all = BasicAckOptions { multiple: true };
        rpc(channel.basic_ack(tag, all)).await?;
        pause.reset();
        if ahead.changes(last, largest) {
            break;
        }
    }
    let cancel = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
    let _cancelled = rpc(cancel).await;
    let _closed = rpc(channel.close(200, "OK".into())).await;
    Ok(())
}

/// Waits for a message and takes the others that are there.
async fn next(
    consumer: &mut Consumer,
    most: usize,
    last: usize,
) -> Result<Vec<Delivery>, LinkError> {
    let mut batch = vec![read(consumer.next().await)?];
    let mut bytes = batch.first().map_or(0, |first| first.data.len());
    let until = Instant::now() + if last >= MANY { LINGER } else { Duration::ZERO };
    while batch.len() < most && bytes < BYTES {
        let another = match consumer.next().now_or_never() {
            Some(another) => another,
            None => match tokio::time::timeout_at(until, consumer.next()).await {
                Ok(another) => another,
                Err(_elapsed) => break,
            },
        };
        let another = read(another)?;
        bytes += another.data.len();
        batch.push(another);
    }
    Ok(batch)
}

fn read(delivery: Option<lapin::Result<Delivery>>) -> Result<Delivery, LinkError> {
    match delivery {
        Some(Ok(delivery)) => Ok(delivery),
        Some(Err(error)) => Err(error.into()),
        None => Err(LinkError::Gone("the broker ended the subscription")),
    }
}

/// Stores a batch; waits as long as the database is away. Tells whether it may be acknowledged.
async fn settle(
    app: &App,
    stream: Stream,
    bodies: Vec<Vec<u8>>,
    channel: &Channel,
    shutdown: &Shutdown,
) -> bool {
    let mut pause = Pause::new();
    loop {
        // what was read takes much more room than the bodies: it is given away, and read again when it must be
        let Err(error) = store(app, stream, &bodies).await else { return true };
        warn(&error);
        if !matches!(error, Error::Unavailable(_)) {
            // one of them is poison: each by itself
            for one in &bodies {
                if let Err(error) = store(app, stream, std::slice::from_ref(one)).await {
                    warn(&error);
                    if matches!(error, Error::Unavailable(_)) {
                        return false;
                    }
                    match stream {
                        Stream::Heartbeats => app.mig.meters.heartbeats("amqp", "failed", 1),
                        Stream::Results => app.mig.meters.results("failed", 1),
                    }
                }
            }
            return true;
        }
        let _either = tokio::time::timeout(pause.take(), shutdown.wait()).await;
        // what is not acknowledged comes again, to whoever listens then
        if shutdown.is_triggered() || !channel.status().connected() {
            return false;
        }
    }
}

async fn store(app: &App, stream: Stream, bodies: &[Vec<u8>]) -> Result<(), Error> {
    match stream {
        Stream::Heartbeats => {
            let heard = heartbeats(app, bodies);
            let count = heard.len();
            if count > 0 {
                let revoked = app.hear_agents(&heard).await?.len();
                app.mig.meters.heartbeats("amqp", "heard", count - revoked);
                app.mig.meters.heartbeats("amqp", "revoked", revoked);
            }
        }
        Stream::Results => {
            for (bodies, tree) in room::parts(bodies).await {
                // held until all of it is told
                let _desk = app.wait_for_desk(tree).await?;
                let answers = results(app, bodies).await;
                if !answers.is_empty() {
                    let judged = app.record_mig_results(answers).await?;
                    app.mig.meters.results("accepted", judged.accepted);
                    app.mig.meters.results("duplicate", judged.duplicate);
                    app.mig.meters.results("refused", judged.refused);
                }
            }
        }
    }
    Ok(())
}

/// Reads heartbeats; those that are wrong, late or not to be heard are dropped and counted, as the original does.
fn heartbeats(app: &App, bodies: &[Vec<u8>]) -> Vec<Heartbeat> {
    let now = app.clock.now();
    let mut read = Vec::with_capacity(bodies.len());
    for body in bodies {
        let heard = if body.len() > HEARTBEAT_BYTES {
            Err(HeartbeatFault::Json(format!("it has {} bytes", body.len())))
        } else {
            Heartbeat::from_amqp(body, now, app.config.mig_timeout)
        };
        match heard {
            Ok(heartbeat) => read.push(heartbeat),
            Err(HeartbeatFault::Expired) => app.mig.meters.heartbeats("amqp", "expired", 1),
            Err(fault) => {
                app.mig.meters.heartbeats("amqp", "broken", 1);
                tracing::warn!(%fault, "dropped a heartbeat that came over AMQP");
            }
        }
    }
    app.mig.admit(read)
}

/// Reads answers; those that cannot be read are dropped and counted.
async fn results(app: &App, bodies: &[Vec<u8>]) -> Vec<MigAnswer> {
    let max_result = app.config.max_result;
    let mut read = Vec::with_capacity(bodies.len());
    for body in bodies {
        let parsed = if body.len() > QUICK_BYTES {
            // the task only ends early when it panics, which is a fault that is seen elsewhere
            let body = body.clone();
            match tokio::task::spawn_blocking(move || MigAnswer::read(&body, max_result)).await {
                Ok(parsed) => parsed,
                Err(_panicked) => continue,
            }
        } else {
            MigAnswer::read(body, max_result)
        };
        match parsed {
            Ok(answer) => read.push(answer),
            Err(fault) => {
                app.mig.meters.results("broken", 1);
                tracing::warn!(%fault, "dropped an answer that cannot be read");
            }
        }
    }
    read
}
