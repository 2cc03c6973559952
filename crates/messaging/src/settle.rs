//! What becomes of a batch: done and acknowledged, tried again, put off, or buried with a reason.

use crate::batch::{ATTEMPT, Batch, Slip, WAITED};
use crate::link::{LinkError, Pause, rpc};
use crate::publisher::{Fate, Outgoing, Publisher};
use crate::{AGAIN, Bus, DEAD, Delivery, Outcome, Queue, Shutdown, Subscription, topology, trace};
use lapin::options::BasicAckOptions;
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel};
use std::time::{Duration, Instant};
use store::Store;
use tracing::Instrument;
use tracing::field::Empty;
use types::Clock;

/// How often a batch is tried again in place, before its messages are put off.
const QUICK_TRIES: usize = 5;
/// How often one is that waits for another message: what is behind it must not wait as well.
const WAIT_TRIES: usize = 2;
/// How many times a message is delivered, before it is buried.
const ATTEMPTS: u32 = 8;
/// How many times a message waits for another, half a minute each, before it is buried: about a day, since the service
/// that sends the other one may be away.
const WAITS: u32 = 2_880;
/// How often it is looked whether the broker goes on that holds publishers up.
const LOOK: Duration = Duration::from_millis(500);
/// No reason in a header is longer.
const MAX_REASON: usize = 1000;

/// Is one message of a batch.
#[derive(Clone, Copy)]
struct Letter<'a> {
    slip: &'a Slip,
    delivery: &'a Delivery,
}

/// Answers the broker for one consumer.
pub(crate) struct Settler<'a, S> {
    bus: &'a Bus,
    store: &'a Store,
    state: &'a S,
    subscription: &'a Subscription<S>,
    channel: &'a Channel,
    queue: &'a str,
    shutdown: &'a Shutdown,
    publisher: Option<Publisher>,
}

impl<'a, S: Send + Sync + 'static> Settler<'a, S> {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one thing the loop has; it is called once"
    )]
    pub(crate) fn new(
        bus: &'a Bus,
        store: &'a Store,
        state: &'a S,
        subscription: &'a Subscription<S>,
        channel: &'a Channel,
        queue: &'a str,
        shutdown: &'a Shutdown,
    ) -> Self {
        Self { bus, store, state, subscription, channel, queue, shutdown, publisher: None }
    }

    /// Handles `batch` and answers the broker for each of its messages.
    ///
    /// On an error, and on shutdown in the middle of retries, what is unanswered comes again.
    pub(crate) async fn settle(&mut self, batch: Batch) -> Result<(), LinkError> {
        self.measure(&batch);
        for (slip, delivery, why) in &batch.broken {
            self.bury(Letter { slip, delivery }, why).await?;
            self.ack(slip.tag, false).await?;
        }
        let Some(last) = batch.slips.last() else { return Ok(()) };
        let first = self.attempt(&batch.deliveries, QUICK_TRIES, WAIT_TRIES).await?;
        let Some(outcome) = first else { return Ok(()) };
        match (outcome, batch.deliveries.as_slice()) {
            (Outcome::Done, _) => {
                self.count("done", batch.slips.len());
                self.ack(last.tag, true).await
            }
            (outcome, [only]) => self.end(Letter { slip: last, delivery: only }, outcome).await,
            // one bad message must not hold the others back; after retries of the whole, each gets few
            (Outcome::Retry(_), _) => self.one_by_one(&batch, 1).await,
            (Outcome::Wait(_) | Outcome::Reject(_), _) => {
                self.one_by_one(&batch, QUICK_TRIES).await
            }
        }
    }

    /// Redoes a batch message by message. None is waited with in place: there may be many.
    async fn one_by_one(&mut self, batch: &Batch, tries: usize) -> Result<(), LinkError> {
        for (slip, delivery) in batch.slips.iter().zip(&batch.deliveries) {
            let alone = std::slice::from_ref(delivery);
            let Some(outcome) = self.attempt(alone, tries, 0).await? else { return Ok(()) };
            self.end(Letter { slip, delivery }, outcome).await?;
        }
        Ok(())
    }

    /// Answers for one message, all before it being answered for.
    async fn end(&mut self, letter: Letter<'_>, outcome: Outcome) -> Result<(), LinkError> {
        match outcome {
            Outcome::Done => self.count("done", 1),
            Outcome::Reject(reason) => self.bury(letter, &reason).await?,
            Outcome::Retry(reason) if letter.delivery.attempt >= ATTEMPTS => {
                self.bury(letter, &format!("given up after {ATTEMPTS} attempts: {reason}")).await?;
            }
            Outcome::Retry(reason) => {
                self.postpone(letter, &reason, (ATTEMPT, letter.delivery.attempt)).await?;
            }
            Outcome::Wait(reason) if letter.delivery.waited >= WAITS => {
                self.bury(letter, &format!("given up after {WAITS} waits: {reason}")).await?;
            }
            Outcome::Wait(reason) => {
                self.postpone(letter, &reason, (WAITED, letter.delivery.waited)).await?;
            }
        }
        self.ack(letter.slip.tag, true).await
    }

    /// Hands deliveries to the handler, again while it says [`Outcome::Retry`], `tries` times, or [`Outcome::Wait`],
    /// `waits` times; gives nothing when the process is to stop.
    ///
    /// While the database is away nothing is put off and nothing counts: the messages are not to blame.
    async fn attempt(
        &self,
        deliveries: &[Delivery],
        mut tries: usize,
        mut waits: usize,
    ) -> Result<Option<Outcome>, LinkError> {
        let mut pause = Pause::new();
        loop {
            let outcome = self.handle(deliveries).await;
            let reason = match &outcome {
                Outcome::Wait(reason) if waits > 0 => reason,
                Outcome::Retry(reason) if tries > 0 || !self.store.is_up().await => reason,
                _ => return Ok(Some(outcome)),
            };
            tracing::warn!(queue = self.queue, messages = deliveries.len(), reason, "trying again");
            self.count("retried", deliveries.len());
            tokio::select! {
                () = self.shutdown.wait() => return Ok(None),
                () = tokio::time::sleep(pause.take()) => {}
            }
            if !self.channel.status().connected() {
                return Err(LinkError::Gone("the link broke while trying again"));
            }
            tries = tries.saturating_sub(1);
            waits = waits.saturating_sub(1);
        }
    }

    async fn handle(&self, deliveries: &[Delivery]) -> Outcome {
        let name = self.name();
        let span = tracing::info_span!(
            "process",
            otel.name = format!("process {name}"),
            otel.kind = "consumer",
            otel.status_code = Empty,
            error.type = Empty,
            messaging.system = crate::meters::SYSTEM,
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.destination.name = name,
            messaging.batch.message_count = deliveries.len(),
            messaging.message.id = Empty,
            messaging.message.body.size = Empty,
            messaging.rabbitmq.destination.routing_key = Empty,
            messaging.writ.attempt = Empty,
        );
        if let [only] = deliveries {
            span.record("messaging.message.id", tracing::field::display(only.id));
            span.record("messaging.message.body.size", only.body.len());
            span.record("messaging.rabbitmq.destination.routing_key", &only.kind);
            span.record("messaging.writ.attempt", only.attempt);
        }
        trace::follow(&span, deliveries.iter().map(|delivery| &delivery.trace));
        let start = Instant::now();
        let outcome =
            (self.subscription.handle)(self.state, deliveries).instrument(span.clone()).await;
        let fault = match &outcome {
            // to wait for another message is no fault
            Outcome::Done | Outcome::Wait(_) => None,
            Outcome::Retry(_) => Some("retry"),
            Outcome::Reject(_) => Some("reject"),
        };
        if let Some(fault) = fault {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", fault);
        }
        self.bus.meters().processed(&name, fault, start.elapsed());
        outcome
    }

    /// Moves a message to the wait queue, from which it comes back with one more in the header `counted`.
    async fn postpone(
        &mut self,
        letter: Letter<'_>,
        reason: &str,
        (counted, before): (&str, u32),
    ) -> Result<(), LinkError> {
        let delivery = letter.delivery;
        if self.is_process() {
            self.discard(delivery, reason);
            return Ok(());
        }
        tracing::warn!(
            queue = self.queue, message.id = %delivery.id, message.kind = delivery.kind,
            message.attempt = delivery.attempt, message.waited = delivery.waited, reason, "put off"
        );
        let count = AMQPValue::LongUInt(before.saturating_add(1));
        let properties = again(letter, [(counted, count), ("x-reason", text(reason))]);
        self.publish(letter, AGAIN, &topology::wait_queue(self.queue), properties).await?;
        self.count("postponed", 1);
        Ok(())
    }

    /// Moves a message to the dead letters.
    async fn bury(&mut self, letter: Letter<'_>, reason: &str) -> Result<(), LinkError> {
        let delivery = letter.delivery;
        if self.is_process() {
            self.discard(delivery, reason);
            return Ok(());
        }
        tracing::error!(
            queue = self.queue, message.id = %delivery.id, message.kind = delivery.kind,
            message.attempt = delivery.attempt, reason, "moved to the dead letters"
        );
        let properties = again(letter, [("x-reason", text(reason)), ("x-queue", text(self.queue))]);
        self.publish(letter, DEAD, self.queue, properties).await?;
        self.count("dead", 1);
        Ok(())
    }

    /// Lets a message of a [`Queue::Process`] go.
    fn discard(&self, delivery: &Delivery, reason: &str) {
        tracing::error!(
            queue = self.queue, message.id = %delivery.id, message.kind = delivery.kind, reason,
            "dropped; it can be asked for again"
        );
        self.count("dropped", 1);
    }

    fn is_process(&self) -> bool {
        matches!(self.subscription.queue, Queue::Process(_))
    }

    /// Publishes one message that must reach a queue. While the broker holds publishers up, the message and all that were
    /// sent ahead wait in our hands: given back, they would count as delivered once more, and after some minutes of that
    /// the broker would bury them all.
    async fn publish(
        &mut self,
        letter: Letter<'_>,
        exchange: &'static str,
        key: &str,
        properties: BasicProperties,
    ) -> Result<(), LinkError> {
        let link = self.bus.publishing();
        let mut publisher = self.publisher().await?;
        let (key, body) = (key.to_owned(), letter.slip.wire(letter.delivery).to_vec());
        publisher.send(vec![Outgoing { exchange, key, mandatory: true, body, properties }]);
        let fates = loop {
            if let Some(fates) = publisher.word(link).await {
                break fates;
            }
            self.stand_by().await?;
        };
        match fates.first() {
            Some(Fate::Confirmed) => {
                self.publisher = Some(publisher);
                Ok(())
            }
            Some(Fate::Returned) => Err(LinkError::Gone("a queue is missing")),
            Some(Fate::Refused) => Err(LinkError::Gone("a queue is full")),
            Some(Fate::Lost) | None => Err(LinkError::Gone("the link broke while publishing")),
        }
    }

    /// Gives what to publish by, once the broker takes anything.
    async fn publisher(&mut self) -> Result<Publisher, LinkError> {
        let link = self.bus.publishing();
        loop {
            while link.is_blocked() {
                self.stand_by().await?;
            }
            if let Some(open) = self.publisher.take().filter(Publisher::is_open) {
                return Ok(open);
            }
            match Publisher::open(link).await {
                Err(LinkError::Silent) if link.is_blocked() => {}
                opened => return opened,
            }
        }
    }

    /// Waits a moment for a broker that holds publishers up, as long as the process goes on and the messages are ours.
    async fn stand_by(&self) -> Result<(), LinkError> {
        tokio::select! {
            () = self.shutdown.wait() => {
                return Err(LinkError::Gone("the process ends while the broker holds publishers up"));
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        if self.channel.status().connected() {
            Ok(())
        } else {
            Err(LinkError::Gone("the link broke while the broker held publishers up"))
        }
    }

    async fn ack(&self, tag: u64, multiple: bool) -> Result<(), LinkError> {
        rpc(self.channel.basic_ack(tag, BasicAckOptions { multiple })).await
    }

    fn count(&self, outcome: &'static str, messages: usize) {
        self.bus.meters().consumed(outcome, &self.name(), messages);
    }

    /// Notes how long the messages were on their way, but for those that come again.
    fn measure(&self, batch: &Batch) {
        let now = Clock::system().now().unix_timestamp_nanos() / 1_000_000;
        let new = |delivery: &Delivery| delivery.attempt == 1 && delivery.waited == 0;
        let all = batch.slips.iter().zip(&batch.deliveries);
        let first = all.filter(|(_, delivery)| new(delivery));
        for created in first.filter_map(|(slip, _)| slip.created()) {
            let lag = i32::try_from(now - i128::from(created)).unwrap_or(i32::MAX).max(0);
            self.bus.meters().lag(&self.name(), f64::from(lag) / 1000.0);
        }
    }

    fn name(&self) -> String {
        self.subscription.queue.consumer(self.bus.service())
    }
}

/// Gives the message's properties with other headers on top.
fn again<const N: usize>(letter: Letter<'_>, headers: [(&str, AMQPValue); N]) -> BasicProperties {
    let mut table = letter.slip.properties.headers().clone().unwrap_or_default();
    for (name, value) in headers {
        table.insert(name.into(), value);
    }
    let kind = letter.delivery.kind.as_str().into();
    letter.slip.properties.clone().with_headers(table).with_type(kind).with_delivery_mode(2)
}

fn text(value: &str) -> AMQPValue {
    let cut: String = value.chars().take(MAX_REASON).collect();
    AMQPValue::LongString(cut.into())
}
