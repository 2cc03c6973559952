//! Deliveries as they come from the broker, gathered into batches.

use crate::link::LinkError;
use crate::trace::TraceContext;
use crate::{Delivery, body};
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery as Raw;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Consumer};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// How many deliveries a batch has at most.
const MOST: usize = 100;
/// How many unpacked bytes a batch has at most, but for a first delivery that is larger alone.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// How long a batch is waited for when many come.
const LINGER: Duration = Duration::from_millis(20);
/// A batch of so many means that many come.
const MANY: usize = 10;

/// Counts how often a message came back from the wait queue because something failed, plus one.
pub(crate) const ATTEMPT: &str = "x-attempt";
/// Counts how often a message came back from the wait queue because another had to come first.
pub(crate) const WAITED: &str = "x-waited";
/// Holds when a message was written, in milliseconds since 1970.
pub(crate) const CREATED: &str = "x-created";

/// Is what is needed of a delivery to answer the broker, or to publish it again.
pub(crate) struct Slip {
    pub(crate) tag: u64,
    pub(crate) properties: BasicProperties,
    /// The body as it came, when it was packed.
    packed: Option<Vec<u8>>,
}

impl Slip {
    /// Gives the body as it came.
    pub(crate) fn wire<'a>(&'a self, delivery: &'a Delivery) -> &'a [u8] {
        self.packed.as_deref().unwrap_or(&delivery.body)
    }

    /// Gives when the message was written, in milliseconds since 1970.
    pub(crate) fn created(&self) -> Option<i64> {
        integer(self.properties.headers().as_ref()?, CREATED)
    }
}

/// Is what is handed to a handler at once.
#[derive(Default)]
pub(crate) struct Batch {
    /// One for each of `deliveries`.
    pub(crate) slips: Vec<Slip>,
    pub(crate) deliveries: Vec<Delivery>,
    /// What cannot be handed to anyone, and why.
    pub(crate) broken: Vec<(Slip, Delivery, String)>,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.slips.len() + self.broken.len()
    }

    /// Adds a delivery; gives the size of its body.
    fn push(&mut self, raw: Raw) -> usize {
        let (slip, delivery, broken) = open(raw);
        let size = delivery.body.len();
        if let Some(why) = broken {
            self.broken.push((slip, delivery, why));
        } else {
            self.slips.push(slip);
            self.deliveries.push(delivery);
        }
        size
    }
}

/// Waits for a delivery and takes the others that are there.
///
/// When few come, none is held up for others that may follow; when many came last time, up to 20 ms go into a fuller
/// batch.
pub(crate) async fn next(consumer: &mut Consumer, last: usize) -> Result<Batch, LinkError> {
    let mut batch = Batch::default();
    let mut bytes = batch.push(read(consumer.next().await)?);
    let until = Instant::now() + if last >= MANY { LINGER } else { Duration::ZERO };
    while batch.len() < MOST && bytes < MOST_BYTES {
        let another = match consumer.next().now_or_never() {
            Some(another) => another,
            None => match tokio::time::timeout_at(until, consumer.next()).await {
                Ok(another) => another,
                Err(_elapsed) => break,
            },
        };
        bytes += batch.push(read(another)?);
    }
    Ok(batch)
}

fn read(delivery: Option<lapin::Result<Raw>>) -> Result<Raw, LinkError> {
    match delivery {
        Some(Ok(raw)) => Ok(raw),
        Some(Err(error)) => Err(error.into()),
        None => Err(LinkError::Gone("the broker ended the subscription")),
    }
}

/// Takes a delivery apart; the last is why it cannot be handed to anyone.
fn open(raw: Raw) -> (Slip, Delivery, Option<String>) {
    let properties = raw.properties;
    let empty = FieldTable::default();
    let headers = properties.headers().as_ref().unwrap_or(&empty);
    let encoding = properties.content_encoding().as_ref().map(ShortString::as_str);
    let id = properties.message_id().as_ref().and_then(|id| id.as_str().parse::<Uuid>().ok());
    // a message that comes back from the wait queue has the queue's name as its routing key
    let kind = properties.kind().as_ref().unwrap_or(&raw.routing_key).to_string();
    let plain = encoding.is_none();
    let mut packed = None;
    let (body, broken) = if plain {
        (raw.data, None)
    } else {
        let body = body::unpack(&raw.data, encoding);
        packed = Some(raw.data);
        body.map_or_else(|why| (Vec::new(), Some(why)), |body| (body, None))
    };
    let broken = broken.or_else(|| id.is_none().then(|| "the message has no id".to_owned()));
    let delivery = Delivery {
        id: id.unwrap_or_default(),
        kind,
        body,
        attempt: counted(headers, ATTEMPT).max(1),
        waited: counted(headers, WAITED),
        trace: TraceContext {
            parent: string(headers, "traceparent"),
            state: string(headers, "tracestate"),
        },
    };
    (Slip { tag: raw.delivery_tag, properties, packed }, delivery, broken)
}

fn counted(headers: &FieldTable, name: &str) -> u32 {
    integer(headers, name).and_then(|count| u32::try_from(count).ok()).unwrap_or(0)
}

fn integer(headers: &FieldTable, name: &str) -> Option<i64> {
    match headers.inner().get(name)? {
        AMQPValue::LongLongInt(value) => Some(*value),
        AMQPValue::LongInt(value) => Some((*value).into()),
        AMQPValue::LongUInt(value) => Some((*value).into()),
        _ => None,
    }
}

fn string(headers: &FieldTable, name: &str) -> Option<String> {
    match headers.inner().get(name)? {
        AMQPValue::LongString(value) => {
            std::str::from_utf8(value.as_bytes()).ok().map(ToOwned::to_owned)
        }
        _ => None,
    }
}
