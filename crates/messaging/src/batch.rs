//! Deliveries as they come from the broker, gathered into batches.

use crate::link::LinkError;
use crate::trace::TraceContext;
use crate::{Delivery, body};
use futures_util::{FutureExt, StreamExt};
use lapin::types::{AMQPValue, FieldTable};
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

/// Counts how often a message came back from the wait queue, plus one.
pub(crate) const ATTEMPT: &str = "x-attempt";

/// Is one delivery with what is needed to answer the broker, or to publish it again.
pub(crate) struct Taken {
    pub(crate) tag: u64,
    pub(crate) delivery: Delivery,
    pub(crate) properties: BasicProperties,
    /// The body as it came, when it was packed.
    packed: Option<Vec<u8>>,
    /// Why it cannot be handed to anyone.
    pub(crate) broken: Option<String>,
}

impl Taken {
    fn new(raw: lapin::message::Delivery) -> Self {
        let properties = raw.properties;
        let empty = FieldTable::default();
        let headers = properties.headers().as_ref().unwrap_or(&empty);
        let encoding =
            properties.content_encoding().as_ref().map(lapin::types::ShortString::as_str);
        let id = properties.message_id().as_ref().and_then(|id| id.as_str().parse::<Uuid>().ok());
        let kind =
            properties.kind().as_ref().map_or(raw.routing_key.as_str(), |kind| kind.as_str());
        let (packed, body) = match encoding {
            Some("gzip") => (Some(raw.data.clone()), body::unpack(raw.data, encoding)),
            _ => (None, body::unpack(raw.data, encoding)),
        };
        let (body, unreadable) = match body {
            Ok(body) => (body, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let nameless = id.is_none().then(|| "the message has no id".to_owned());
        let delivery = Delivery {
            id: id.unwrap_or_default(),
            kind: kind.to_owned(),
            body,
            attempt: attempt(headers),
            trace: TraceContext {
                parent: string(headers, "traceparent"),
                state: string(headers, "tracestate"),
            },
        };
        Self {
            tag: raw.delivery_tag,
            delivery,
            properties,
            packed,
            broken: unreadable.or(nameless),
        }
    }

    /// Gives the body as it came.
    pub(crate) fn wire(&self) -> &[u8] {
        self.packed.as_deref().unwrap_or(&self.delivery.body)
    }

    /// Gives when it was written, in milliseconds since 1970.
    pub(crate) fn created(&self) -> Option<i64> {
        integer(self.properties.headers().as_ref()?, "x-created")
    }
}

/// Waits for a delivery and takes the others that are there.
///
/// When few come, none is held up for others that may follow; when many come, up to 20 ms go into a fuller batch.
pub(crate) async fn next(consumer: &mut Consumer, last: usize) -> Result<Vec<Taken>, LinkError> {
    let mut batch = vec![read(consumer.next().await)?];
    let mut bytes = 0;
    let until = Instant::now() + if last >= MANY { LINGER } else { Duration::ZERO };
    while batch.len() < MOST {
        bytes += batch.last().map_or(0, |taken| taken.delivery.body.len());
        if bytes >= MOST_BYTES {
            break;
        }
        let another = match consumer.next().now_or_never() {
            Some(another) => another,
            None => match tokio::time::timeout_at(until, consumer.next()).await {
                Ok(another) => another,
                Err(_elapsed) => break,
            },
        };
        batch.push(read(another)?);
    }
    Ok(batch)
}

fn read(delivery: Option<lapin::Result<lapin::message::Delivery>>) -> Result<Taken, LinkError> {
    match delivery {
        Some(Ok(raw)) => Ok(Taken::new(raw)),
        Some(Err(error)) => Err(error.into()),
        None => Err(LinkError::Gone("the broker ended the subscription")),
    }
}

fn attempt(headers: &FieldTable) -> u32 {
    integer(headers, ATTEMPT).and_then(|attempt| u32::try_from(attempt).ok()).unwrap_or(1).max(1)
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
