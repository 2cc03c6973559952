//! The broker of MIG's agents, for very many of them: a queue for thousands of agents has a binding for each, so that
//! the server cannot tell it from a queue for each, and the broker has nothing to keep but bindings.

use anyhow::{Context as _, bail};
use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long the broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long after a line broke the next one is tried.
const AGAIN: Duration = Duration::from_secs(1);
/// How many messages are read before they are acknowledged together.
const AHEAD: u16 = 200;

/// Is the line to the broker, made again when it breaks.
pub(super) struct Broker {
    url: String,
    queues: Vec<String>,
    /// One for each queue, for what is asked of the broker, and for what is published.
    channels: Vec<Mutex<Option<Channel>>>,
    connection: Mutex<Option<Connection>>,
}

impl Broker {
    /// Connects, and declares the queues as agents declare theirs.
    pub(super) async fn connect(url: &str, queues: Vec<String>) -> anyhow::Result<Self> {
        // fails only when there is one already, which does as well
        rustls::crypto::ring::default_provider().install_default().ok();
        let channels = queues.iter().map(|_| Mutex::default()).collect();
        let broker = Self { url: url.to_owned(), queues, channels, connection: Mutex::default() };
        for (at, queue) in broker.queues.iter().enumerate() {
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            let channel = broker.channel(at).await?;
            let declare =
                channel.queue_declare(queue.as_str().into(), options, FieldTable::default());
            within(declare).await.with_context(|| format!("cannot declare {queue}"))?;
        }
        Ok(broker)
    }

    /// Binds a routing key to the queue of the agent with this number.
    pub(super) async fn bind(&self, agent: u32, key: &str) -> anyhow::Result<()> {
        let at = self.place(agent);
        let queue = self.queues.get(at).context("no such queue")?.as_str();
        let (exchange, options) = ("toagents".into(), QueueBindOptions::default());
        let channel = self.channel(at).await?;
        let bind =
            channel.queue_bind(queue.into(), exchange, key.into(), options, FieldTable::default());
        within(bind).await
    }

    /// Publishes as agents do; returns when the broker has it.
    pub(super) async fn publish(
        &self,
        agent: u32,
        key: &str,
        body: &[u8],
        expiration: &str,
        now: u64,
    ) -> anyhow::Result<()> {
        let properties = BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_delivery_mode(2)
            .with_timestamp(now)
            .with_expiration(expiration.into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let channel = self.channel(self.place(agent)).await?;
        let publish =
            channel.basic_publish("toschedulers".into(), key.into(), options, body, properties);
        match within(async { publish.await?.await }).await? {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => bail!("{key} is no queue"),
            other => bail!("the broker does not take a message: {other:?}"),
        }
    }

    /// Gives every message with its routing key, of all queues, for ever. Each is acknowledged before the work, as
    /// agents do.
    pub(super) async fn read(&self, take: impl Fn(&str, &[u8]) + Sync) {
        let every = self.queues.iter().map(|queue| async {
            loop {
                // a line that broke is made again
                let _broken = self.read_queue(queue, &take).await;
                tokio::time::sleep(AGAIN).await;
            }
        });
        futures_util::future::join_all(every).await;
    }

    async fn read_queue(&self, queue: &str, take: &impl Fn(&str, &[u8])) -> anyhow::Result<()> {
        let channel = self.open().await?;
        within(channel.basic_qos(AHEAD, BasicQosOptions::default())).await?;
        let options = BasicConsumeOptions::default();
        let consume =
            channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
        let consumer = within(consume).await?;
        let mut deliveries = consumer.ready_chunks(usize::from(AHEAD));
        while let Some(deliveries) = deliveries.next().await {
            let deliveries = deliveries.into_iter().collect::<lapin::Result<Vec<_>>>()?;
            let Some(last) = deliveries.last() else { continue };
            let multiple = BasicAckOptions { multiple: true };
            within(channel.basic_ack(last.delivery_tag, multiple)).await?;
            for delivery in &deliveries {
                take(delivery.routing_key.as_str(), &delivery.data);
            }
        }
        bail!("the broker ended the subscription")
    }

    /// Removes the queues.
    pub(super) async fn remove(&self) -> anyhow::Result<()> {
        let channel = self.open().await?;
        for queue in &self.queues {
            within(channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()))
                .await?;
        }
        Ok(())
    }

    fn place(&self, agent: u32) -> usize {
        usize::try_from(agent).unwrap_or(0) % self.queues.len().max(1)
    }

    /// Gives the channel of a queue, in confirm mode, a new one when it broke.
    async fn channel(&self, at: usize) -> anyhow::Result<Channel> {
        let mut slot = self.channels.get(at).context("no such queue")?.lock().await;
        if let Some(channel) = slot.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        let channel = self.open().await?;
        within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(slot.insert(channel).clone())
    }

    async fn open(&self) -> anyhow::Result<Channel> {
        let mut slot = self.connection.lock().await;
        let connection = match slot.take().filter(|connection| connection.status().connected()) {
            Some(connection) => connection,
            None => within(Connection::connect(&self.url, ConnectionProperties::default()))
                .await
                .context("cannot connect to the broker of MIG's agents")?,
        };
        within(slot.insert(connection).create_channel()).await
    }
}

async fn within<T>(call: impl Future<Output = lapin::Result<T>>) -> anyhow::Result<T> {
    let answered = tokio::time::timeout(PATIENCE, call).await;
    Ok(answered.context("the broker does not answer")??)
}
