//! An ear on the exchange: hears every message that any service publishes.

use crate::{PATIENCE, Vhost};
use flate2::read::GzDecoder;
use futures_util::StreamExt;
use lapin::options::{
    BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Consumer, ExchangeKind};
use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use types::{Envelope, Message};

/// Is one message that a [`Tap`] has heard.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The kind, which is the routing key.
    pub kind: String,
    /// The envelope as JSON.
    pub body: Vec<u8>,
    /// The message's properties and headers.
    pub properties: BasicProperties,
}

/// Hears every message on the exchange from its making on, whoever else takes it.
///
/// To the broker it is a queue that wants everything: while there is a tap no message goes unwanted.
pub struct Tap {
    consumer: Consumer,
    heard: VecDeque<Heard>,
    _channel: Channel,
}

impl Tap {
    /// Listens on `vhost`.
    pub async fn new(vhost: &Vhost) -> Self {
        let channel = vhost.channel().await;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let exchange = messaging::EXCHANGE;
        let table = FieldTable::default;
        channel
            .exchange_declare(exchange.into(), ExchangeKind::Topic, durable, table())
            .await
            .unwrap();
        let own = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let queue = channel.queue_declare("".into(), own, table()).await.unwrap();
        let bind = QueueBindOptions::default();
        channel
            .queue_bind(queue.name().clone(), exchange.into(), "#".into(), bind, table())
            .await
            .unwrap();
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumer = channel
            .basic_consume(queue.name().clone(), "tap".into(), options, table())
            .await
            .unwrap();
        Self { consumer, heard: VecDeque::new(), _channel: channel }
    }

    /// Gives the next message of this kind; panics when none comes in time. Others stay to be asked for.
    pub async fn next<M: Message>(&mut self) -> Envelope<M> {
        let heard = self.next_of(M::KIND, PATIENCE).await;
        let Some(heard) = heard else {
            panic!("no {} was published; heard {:?}", M::KIND, self.kinds())
        };
        serde_json::from_slice(&heard.body)
            .unwrap_or_else(|error| panic!("a broken {}: {error}", M::KIND))
    }

    /// Gives the next message of `kind` as it came; nothing when none comes `within`.
    pub async fn next_of(&mut self, kind: &str, within: Duration) -> Option<Heard> {
        let end = Instant::now() + within;
        loop {
            if let Some(place) = self.heard.iter().position(|heard| heard.kind == kind) {
                return self.heard.remove(place);
            }
            self.listen(end).await?;
        }
    }

    /// Panics when a message of `kind` was published, or is `within` that time.
    pub async fn none_of(&mut self, kind: &str, within: Duration) {
        let heard = self.next_of(kind, within).await;
        assert!(heard.is_none(), "a {kind} was published: {heard:?}");
    }

    /// Panics when anything was published, or is `within` that time.
    pub async fn silence(&mut self, within: Duration) {
        let end = Instant::now() + within;
        while self.listen(end).await.is_some() {}
        assert!(self.heard.is_empty(), "something was published: {:?}", self.kinds());
    }

    /// Gives the kinds that were heard and not asked for.
    pub fn kinds(&self) -> Vec<&str> {
        self.heard.iter().map(|heard| heard.kind.as_str()).collect()
    }

    async fn listen(&mut self, end: Instant) -> Option<()> {
        let delivery = timeout_at(end, self.consumer.next()).await.ok()?;
        let delivery = delivery.expect("the tap was closed").expect("the tap broke");
        let mut body = delivery.data;
        if delivery
            .properties
            .content_encoding()
            .as_ref()
            .is_some_and(|encoding| encoding.as_str() == "gzip")
        {
            let mut plain = Vec::new();
            GzDecoder::new(body.as_slice()).read_to_end(&mut plain).expect("a broken body");
            body = plain;
        }
        let kind = delivery.routing_key.to_string();
        self.heard.push_back(Heard { kind, body, properties: delivery.properties });
        Some(())
    }
}
