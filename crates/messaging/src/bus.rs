//! What a service holds to speak with the others.

use crate::body::{Packed, pack};
use crate::link::Link;
use crate::meters::Meters;
use crate::{Queue, TraceContext, outbox};
use diesel::QueryResult;
use diesel::result::Error;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::Conn;
use time::OffsetDateTime;
use tokio::sync::Notify;
use types::{Envelope, Message};
use uuid::{NoContext, Timestamp, Uuid};

/// Says where the broker is.
#[derive(Clone)]
pub struct Settings {
    /// `amqp://user:password@host:port/vhost`, or `amqps://…`; takes `cacertfile`, `certfile`, `keyfile` and
    /// `heartbeat` as RabbitMQ's own clients do.
    pub url: String,
    /// The PEM file of the certificate authorities beside the machine's own, for `amqps`; `cacertfile` in the URL
    /// stands above it.
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// Takes the defaults.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ca_file: None }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("ca_file", &self.ca_file).finish_non_exhaustive()
    }
}

/// Is a service's way to the others; clones are the same bus.
///
/// [`Bus::put`] needs only the database. The broker is reached by [`crate::relay()`] and [`crate::consume()`].
#[derive(Clone)]
pub struct Bus(Arc<Inner>);

struct Inner {
    service: &'static str,
    woken: Notify,
    publishing: Link,
    consuming: Link,
    consumers: Mutex<Vec<Wanted>>,
    meters: Meters,
}

impl Bus {
    /// Makes the bus of `service`; connects to nothing yet.
    pub fn new(service: &'static str, settings: &Settings) -> anyhow::Result<Self> {
        // two connections: a broker that holds up publishers must not hold up acknowledgements
        Ok(Self(Arc::new(Inner {
            service,
            woken: Notify::new(),
            publishing: Link::new(format!("{service} publishing"), settings)?.with_small_frames(),
            consuming: Link::new(format!("{service} consuming"), settings)?.with_small_frames(),
            consumers: Mutex::default(),
            meters: Meters::new(service),
        })))
    }

    /// Gives the service's name.
    pub fn service(&self) -> &'static str {
        self.0.service
    }

    /// Writes `message` to the outbox, in the caller's transaction; after the commit, call [`Bus::wake`].
    pub async fn put<M: Message>(
        &self,
        conn: &mut Conn,
        now: OffsetDateTime,
        message: &M,
    ) -> QueryResult<()> {
        self.put_all(conn, now, std::slice::from_ref(message)).await
    }

    /// Writes `messages` to the outbox, in their order and in the caller's transaction; after the commit, call
    /// [`Bus::wake`].
    pub async fn put_all<M: Message>(
        &self,
        conn: &mut Conn,
        now: OffsetDateTime,
        messages: &[M],
    ) -> QueryResult<()> {
        let trace = TraceContext::current();
        let traced: Vec<_> = messages.iter().map(|message| (message, &trace)).collect();
        self.put_traced(conn, now, &traced).await
    }

    /// Writes messages to the outbox as [`Bus::put_all`] does, each as a part of a trace of its own.
    pub async fn put_traced<M: Message>(
        &self,
        conn: &mut Conn,
        now: OffsetDateTime,
        messages: &[(&M, &TraceContext)],
    ) -> QueryResult<()> {
        let mut written = Vec::with_capacity(messages.len());
        for (message, _) in messages {
            let id = message_id(now);
            // the payload is borrowed, so that it need not be `Clone`
            let mut plain = Vec::with_capacity(512);
            serde_json::to_writer(&mut plain, &envelope(id, self.service(), now, *message))
                .map_err(|e| Error::SerializationError(e.into()))?;
            written.push((id, plain));
        }
        let packed = pack_all(M::KIND, M::MAX_BODY, written).await?;
        let traces = messages.iter().map(|(_, trace)| *trace);
        outbox::insert(conn, M::KIND, now, packed.into_iter().zip(traces)).await
    }

    /// Tells the relay that something was committed; without it, it looks twice a second.
    pub fn wake(&self) {
        self.0.woken.notify_one();
    }

    /// Tells whether the broker is reached: the relay's connection stands, and each consumer has its queue.
    pub fn is_connected(&self) -> bool {
        self.0.publishing.is_up() && self.is_listening()
    }

    /// Says what is missing of the way to the others, naming each queue that a consumer waits for; nothing when all is
    /// there.
    pub fn fault(&self) -> Option<String> {
        if !self.0.publishing.is_up() {
            return Some("the broker is not reached".into());
        }
        let missing: BTreeSet<_> =
            self.consumers().iter().filter(|c| !c.attached).map(|c| c.name.clone()).collect();
        let names: Vec<_> = missing.into_iter().collect();
        (!names.is_empty()).then(|| format!("no consumer on {}", names.join(", ")))
    }

    /// Tells whether each consumer has its queue.
    pub(crate) fn is_listening(&self) -> bool {
        self.consumers().iter().all(|consumer| consumer.attached)
    }

    /// Lists the queues that outlive this process.
    pub(crate) fn durable_queues(&self) -> BTreeSet<String> {
        let consumers = self.consumers();
        consumers.iter().filter(|c| c.durable && c.attached).map(|c| c.name.clone()).collect()
    }

    fn consumers(&self) -> MutexGuard<'_, Vec<Wanted>> {
        self.0.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn woken(&self) {
        self.0.woken.notified().await;
    }

    pub(crate) fn publishing(&self) -> &Link {
        &self.0.publishing
    }

    pub(crate) fn consuming(&self) -> &Link {
        &self.0.consuming
    }

    pub(crate) fn meters(&self) -> &Meters {
        &self.0.meters
    }

    /// Notes a consumer that should have its queue, as long as the result lives.
    pub(crate) fn want_consumer(&self, queue: Queue) -> Consumer {
        let name = queue.consumer(self.service());
        let durable = matches!(queue, Queue::Stream(_));
        self.meters().attached(&name, false);
        let number = {
            let mut consumers = self.consumers();
            let number = consumers.last().map_or(0, |last| last.number + 1);
            consumers.push(Wanted { number, name, durable, attached: false });
            number
        };
        Consumer { bus: self.clone(), number }
    }
}

/// Is a consumer that should have its queue.
struct Wanted {
    number: usize,
    name: String,
    durable: bool,
    attached: bool,
}

/// Stands for a consumer, as long as it lives.
pub(crate) struct Consumer {
    bus: Bus,
    number: usize,
}

impl Consumer {
    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Notes that it has its queue, as long as the result lives.
    pub(crate) fn attach(&self) -> Attached<'_> {
        self.set(true);
        Attached(self)
    }

    fn set(&self, attached: bool) {
        let mut consumers = self.bus.consumers();
        if let Some(mine) = consumers.iter_mut().find(|wanted| wanted.number == self.number) {
            mine.attached = attached;
            self.bus.meters().attached(&mine.name, attached);
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.bus.consumers().retain(|wanted| wanted.number != self.number);
    }
}

/// Stands for a consumer that has its queue.
pub(crate) struct Attached<'a>(&'a Consumer);

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Makes a UUID of version 7 whose time is `now`.
fn message_id(now: OffsetDateTime) -> Uuid {
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.nanosecond()))
}

/// Wraps a borrowed payload in the same envelope as [`Envelope::new`].
fn envelope<'a, M: Message>(
    id: Uuid,
    service: &str,
    now: OffsetDateTime,
    message: &'a M,
) -> Envelope<&'a M> {
    Envelope {
        specversion: "1.0".into(),
        id,
        source: format!("/{service}"),
        kind: format!("{}{}", types::envelope::TYPE_PREFIX, M::KIND),
        subject: message.subject(),
        time: now,
        datacontenttype: "application/json".into(),
        data: message,
    }
}

/// Packs bodies away from the runtime's workers when it takes long.
async fn pack_all(
    kind: &'static str,
    most: usize,
    bodies: Vec<(Uuid, Vec<u8>)>,
) -> QueryResult<Vec<(Uuid, Packed)>> {
    let size: usize = bodies.iter().map(|(_, plain)| plain.len()).sum();
    let pack_each =
        move || bodies.into_iter().map(|(id, plain)| Ok((id, pack(kind, most, plain)?))).collect();
    if size < 64 * 1024 {
        return pack_each();
    }
    tokio::task::spawn_blocking(pack_each).await.map_err(|e| Error::SerializationError(e.into()))?
}

#[cfg(test)]
mod tests {
    use super::{envelope, message_id};
    use time::macros::datetime;
    use types::Envelope;
    use types::messages::ReplicaRequested;

    #[test]
    fn a_borrowed_envelope_is_the_same() {
        let now = datetime!(2026-11-21 12:00:00.123456 UTC);
        let asked = ReplicaRequested { of: "agent".into(), by: "scheduler".into() };
        let id = message_id(now);
        let borrowed = serde_json::to_string(&envelope(id, "scheduler", now, &asked)).unwrap();
        let owned = serde_json::to_string(&Envelope::new(id, "scheduler", now, asked)).unwrap();
        assert_eq!(borrowed, owned);
    }

    #[test]
    fn an_id_carries_the_time() {
        let now = datetime!(2026-11-21 12:00:00 UTC);
        let id = message_id(now);
        assert_eq!(id.get_version_num(), 7);
        let (seconds, _) = id.get_timestamp().unwrap().to_unix();
        assert_eq!(i64::try_from(seconds).unwrap(), now.unix_timestamp());
    }
}
