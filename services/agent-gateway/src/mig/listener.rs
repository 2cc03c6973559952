//! Heartbeats and results on their way in: taken in batches, stored in one transaction, acknowledged after it.

use super::desk::{AT_ONCE, warn};
use super::topology::{self, HEARTBEATS, RESULTS};
use crate::app::App;
use crate::domain::heartbeat::{HEARTBEAT_BYTES, Heartbeat, HeartbeatFault};
use crate::domain::mig_result::MigResult;
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
const BYTES: usize = 16 << 20;
/// How long a fuller batch is waited for when many came last time.
const LINGER: Duration = Duration::from_millis(5);
/// So many mean that many come.
const MANY: usize = 10;
/// Larger bodies are read beside the event loops.
const QUICK_BYTES: usize = 64 << 10;

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

    /// Says how many messages the broker sends ahead: all of them lie in memory, and an answer may be as large as the
    /// broker lets it.
    fn prefetch(self) -> u16 {
        match self {
            Self::Heartbeats => 1_000,
            Self::Results => 100,
        }
    }
}

/// Listens until `shutdown`; at any error it starts over.
pub(super) async fn listen(app: Arc<App>, link: Arc<Link>, stream: Stream, shutdown: Shutdown) {
    let mut pause = Pause::new();
    while !shutdown.is_triggered() {
        let ended = session(&app, &link, stream, &shutdown, &mut pause).await;
        let Err(error) = ended else { break };
        tracing::warn!(%error, queue = stream.queue(), "lost the queue; connecting again");
        let _either = tokio::time::timeout(pause.take(), shutdown.wait()).await;
    }
}

async fn session(
    app: &App,
    link: &Link,
    stream: Stream,
    shutdown: &Shutdown,
    pause: &mut Pause,
) -> Result<(), LinkError> {
    let channel = link.channel().await?;
    topology::declare(&channel, app.config.mig_exchange).await?;
    app.mig.declared.notify_one();
    rpc(channel.basic_qos(stream.prefetch(), BasicQosOptions::default())).await?;
    let (queue, options) = (stream.queue().into(), BasicConsumeOptions::default());
    let consume = channel.basic_consume(queue, "".into(), options, FieldTable::default());
    let mut consumer = rpc(consume).await?;
    tracing::debug!(queue = stream.queue(), "attached");
    let mut last = 0;
    while !shutdown.is_triggered() {
        let batch = tokio::select! {
            biased;
            () = shutdown.wait() => break,
            batch = next(&mut consumer, last) => batch?,
        };
        last = batch.len();
        let Some(tag) = batch.last().map(|delivery| delivery.delivery_tag) else { continue };
        let bodies = batch.into_iter().map(|delivery| delivery.data).collect();
        if !settle(app, stream, bodies, &channel, shutdown).await {
            break;
        }
        let all = BasicAckOptions { multiple: true };
        rpc(channel.basic_ack(tag, all)).await?;
        pause.reset();
    }
    let cancel = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
    let _cancelled = rpc(cancel).await;
    let _closed = rpc(channel.close(200, "OK".into())).await;
    Ok(())
}

/// Waits for a message and takes the others that are there.
async fn next(consumer: &mut Consumer, last: usize) -> Result<Vec<Delivery>, LinkError> {
    let mut batch = vec![read(consumer.next().await)?];
    let mut bytes = batch.first().map_or(0, |first| first.data.len());
    let until = Instant::now() + if last >= MANY { LINGER } else { Duration::ZERO };
    while batch.len() < AT_ONCE && bytes < BYTES {
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
    let batch = match stream {
        Stream::Heartbeats => Batch::Heartbeats(heartbeats(app, &bodies)),
        Stream::Results => Batch::Results(results(app, bodies).await),
    };
    let mut pause = Pause::new();
    loop {
        let error = match store(app, &batch).await {
            Ok(()) => return true,
            Err(error) => error,
        };
        warn(&error);
        if !matches!(error, Error::Unavailable(_)) {
            // one of them is poison: each by itself
            for one in batch.split() {
                if let Err(error) = store(app, &one).await {
                    warn(&error);
                    one.count_broken(app);
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

/// Is what was read of a batch.
enum Batch {
    Heartbeats(Vec<Heartbeat>),
    Results(Vec<MigResult>),
}

impl Batch {
    fn split(self) -> Vec<Self> {
        match self {
            Self::Heartbeats(all) => {
                all.into_iter().map(|one| Self::Heartbeats(vec![one])).collect()
            }
            Self::Results(all) => all.into_iter().map(|one| Self::Results(vec![one])).collect(),
        }
    }

    fn count_broken(&self, app: &App) {
        match self {
            Self::Heartbeats(all) => app.mig.meters.heartbeats("amqp", "failed", all.len()),
            Self::Results(all) => app.mig.meters.results("failed", all.len()),
        }
    }
}

async fn store(app: &App, batch: &Batch) -> Result<(), Error> {
    match batch {
        Batch::Heartbeats(heard) if !heard.is_empty() => {
            app.hear_agents(heard.clone()).await?;
            app.mig.meters.heartbeats("amqp", "heard", heard.len());
        }
        Batch::Results(answers) if !answers.is_empty() => {
            let judged = app.record_mig_results(answers.clone()).await?;
            app.mig.meters.results("accepted", judged.accepted);
            app.mig.meters.results("duplicate", judged.duplicate);
            app.mig.meters.results("refused", judged.refused);
        }
        Batch::Heartbeats(_) | Batch::Results(_) => {}
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
async fn results(app: &App, bodies: Vec<Vec<u8>>) -> Vec<MigResult> {
    let mut read = Vec::with_capacity(bodies.len());
    for body in bodies {
        let parsed = if body.len() > QUICK_BYTES {
            // the task only ends early when it panics, which is a fault that is seen elsewhere
            match tokio::task::spawn_blocking(move || MigResult::parse(&body)).await {
                Ok(parsed) => parsed,
                Err(_panicked) => continue,
            }
        } else {
            MigResult::parse(&body)
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
