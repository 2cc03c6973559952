//! Heartbeats and results on their way in: taken in batches, stored in one transaction, acknowledged after it.

use super::ahead::{Ahead, End, Message, Pace, read};
use super::desk::warn;
use super::topology::{self, HEARTBEATS, RESULTS};
use crate::app::App;
use crate::app::record_mig_results::MigAnswer;
use crate::app::room::{self, QUICK_BYTES};
use crate::domain::heartbeat::{HEARTBEAT_BYTES, Heartbeat, HeartbeatFault};
use crate::domain::mig_result::MigResult;
use crate::error::Error;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use messaging::link::{Link, LinkError, Pause, rpc};
use service::{Shutdown, Tasks};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long what is still on its way when a channel is closed may take to come.
const LAST: Duration = Duration::from_mins(1);

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

    /// Names the task that reads it.
    fn reader(self) -> &'static str {
        match self {
            Self::Heartbeats => "mig-heartbeats-ahead",
            Self::Results => "mig-results-ahead",
        }
    }
}

/// Listens to one queue.
pub(super) struct Listener {
    /// What stores it.
    pub app: Arc<App>,
    /// The connection.
    pub link: Arc<Link>,
    /// The queue.
    pub stream: Stream,
    /// Whose the reader is.
    pub tasks: Tasks,
    /// The word to stop.
    pub shutdown: Shutdown,
}

impl Listener {
    /// Listens until the end; at any error it starts over.
    pub(super) async fn listen(self) {
        let mut pause = Pause::new();
        let mut pace = Pace::Many;
        while !self.shutdown.is_triggered() {
            match self.session(pace, &mut pause).await {
                Ok(next) => pace = next,
                Err(error) => {
                    self.app.mig.note_listening(self.stream, false);
                    let queue = self.stream.queue();
                    tracing::warn!(%error, queue, "lost the queue; connecting again");
                    let _either = tokio::time::timeout(pause.take(), self.shutdown.wait()).await;
                }
            }
        }
    }

    /// Works until the end, or until another number of messages is to be sent ahead, and gives that.
    async fn session(&self, pace: Pace, pause: &mut Pause) -> Result<Pace, LinkError> {
        let channel = self.link.channel().await?;
        topology::declare(&channel, self.app.config.mig_exchange).await?;
        self.app.mig.declared.notify_one();
        let count = pace.ahead(self.stream);
        rpc(channel.basic_qos(count, BasicQosOptions::default())).await?;
        let (queue, options) = (self.stream.queue().into(), BasicConsumeOptions::default());
        let consume = channel.basic_consume(queue, "".into(), options, FieldTable::default());
        let consumer = rpc(consume).await?;
        tracing::debug!(queue = self.stream.queue(), ahead = count, "attached");
        self.app.mig.note_listening(self.stream, true);
        let ahead = Arc::new(Ahead::new(self.stream, pace));
        let (reading, ended) = oneshot::channel();
        let reader = read(consumer, channel.clone(), Arc::clone(&ahead), reading);
        self.tasks.spawn(self.stream.reader(), reader);
        let worked = self.work(&channel, &ahead, pace, pause).await;
        ahead.stop();
        let _closed = rpc(channel.close(200, "OK".into())).await;
        // until then what was sent ahead still comes, and would lie beside what the next channel brings
        if tokio::time::timeout(LAST, ended).await.is_err() {
            self.link.close().await;
        }
        worked
    }

    async fn work(
        &self,
        channel: &Channel,
        ahead: &Ahead,
        mut pace: Pace,
        pause: &mut Pause,
    ) -> Result<Pace, LinkError> {
        let mut last = 0;
        loop {
            let batch = tokio::select! {
                biased;
                () = self.shutdown.wait() => return Ok(pace),
                batch = ahead.next(pace.at_once(self.stream), last) => batch,
            };
            let batch = match batch {
                Ok(batch) => batch,
                Err(end) => return self.slow_down(end),
            };
            last = batch.len();
            let Some(tag) = batch.last().map(|message| message.tag) else { continue };
            let rises = pace.rises(&batch);
            if !self.settle(batch, ahead).await {
                return ahead.ended().map_or(Ok(pace), |end| self.slow_down(end));
            }
            let all = BasicAckOptions { multiple: true };
            if let Err(error) = rpc(channel.basic_ack(tag, all)).await {
                return match ahead.ended() {
                    Some(End::Full) => self.slow_down(End::Full),
                    _ => Err(error),
                };
            }
            pause.reset();
            if rises {
                return Ok(Pace::Many);
            }
        }
    }

    /// Gives how many are sent ahead after an end.
    fn slow_down(&self, end: End) -> Result<Pace, LinkError> {
        match end {
            End::Full => {
                self.app.mig.meters.overrun(self.stream.queue());
                let text = "there is more than there is room for; few are read ahead for now";
                tracing::info!(queue = self.stream.queue(), "{text}");
                Ok(Pace::SLOW)
            }
            End::Broken(error) => Err(error),
        }
    }

    /// Stores a batch; waits as long as the database is away. Tells whether it may be acknowledged.
    async fn settle(&self, batch: Vec<Message>, ahead: &Ahead) -> bool {
        let bodies: Vec<Vec<u8>> = batch.into_iter().map(|message| message.body).collect();
        let mut pause = Pause::new();
        loop {
            // what was read takes much more room than the bodies: it is given away, and read again when it must be
            let Err(error) = store(&self.app, self.stream, &bodies).await else { return true };
            warn(&error);
            if !matches!(error, Error::Unavailable(_)) {
                return self.settle_each(&bodies).await;
            }
            let _either = tokio::time::timeout(pause.take(), self.shutdown.wait()).await;
            // what is not acknowledged comes again, to whoever listens then
            if self.shutdown.is_triggered() || ahead.is_over() {
                return false;
            }
        }
    }

    /// Stores each message by itself, as one of them is poison: that is let go, for it would be the same each time.
    async fn settle_each(&self, bodies: &[Vec<u8>]) -> bool {
        for body in bodies {
            match store(&self.app, self.stream, std::slice::from_ref(body)).await {
                Ok(()) => {}
                Err(error @ Error::Unavailable(_)) => {
                    warn(&error);
                    return false;
                }
                Err(error) => self.let_go(body, &error),
            }
        }
        true
    }

    /// Says that a message is lost for good. There are no dead letters: an account with the rights of MIG's scheduler
    /// may not write there.
    fn let_go(&self, body: &[u8], error: &Error) {
        let bytes = body.len();
        let error = match error {
            Error::Internal(source) => format!("{source:#}"),
            other => other.to_string(),
        };
        match self.stream {
            Stream::Heartbeats => {
                self.app.mig.meters.heartbeats("amqp", "failed", 1);
                tracing::error!(error, bytes, "dropped a heartbeat that cannot be stored");
            }
            Stream::Results => {
                self.app.mig.meters.results("failed", 1);
                let command = MigResult::parse(body).map_or(0, |answer| answer.command.0);
                let text =
                    "dropped an answer that cannot be stored, for good: its command will expire";
                tracing::error!(error, bytes, command.id = command, "{text}");
            }
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
        let heard = if body.is_empty() {
            // a larger one was not kept
            Err(HeartbeatFault::Json(format!("it has none or more than {HEARTBEAT_BYTES} bytes")))
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
