//! What a service holds to speak with the others.

use crate::body::{Packed, pack};
use crate::link::Link;
use crate::meters::Meters;
use crate::outbox;
use diesel::QueryResult;
use diesel::result::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    wanted: AtomicUsize,
    attached: AtomicUsize,
    meters: Meters,
}

impl Bus {
    /// Makes the bus of `service`; connects to nothing yet.
    pub fn new(service: &'static str, settings: &Settings) -> anyhow::Result<Self> {
        // two connections: a broker that holds up publishers must not hold up acknowledgements
        Ok(Self(Arc::new(Inner {
            service,
            woken: Notify::new(),
            publishing: Link::new(format!("{service} publishing"), settings)?,
            consuming: Link::new(format!("{service} consuming"), settings)?,
            wanted: AtomicUsize::new(0),
            attached: AtomicUsize::new(0),
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
        let mut written = Vec::with_capacity(messages.len());
        for message in messages {
            let id = message_id(now);
            // the payload is borrowed, so that it need not be `Clone`
            let mut plain = Vec::with_capacity(512);
            serde_json::to_writer(&mut plain, &envelope(id, self.service(), now, message))
                .map_err(|e| Error::SerializationError(e.into()))?;
            written.push((id, plain));
        }
        outbox::insert(conn, M::KIND, now, pack_all(M::KIND, M::MAX_BODY, written).await?).await
    }

    /// Tells the relay that something was committed; without it, it looks twice a second.
    pub fn wake(&self) {
        self.0.woken.notify_one();
    }

    /// Tells whether the broker is reached: the relay's connection stands, and each consumer has its queue.
    pub fn is_connected(&self) -> bool {
        self.0.publishing.is_up() && self.is_listening()
    }

    /// Tells whether each consumer has its queue.
    pub(crate) fn is_listening(&self) -> bool {
        self.0.attached.load(Ordering::Relaxed) >= self.0.wanted.load(Ordering::Relaxed)
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

    /// Counts a consumer that should have its queue, as long as the result lives.
    pub(crate) fn want_consumer(&self) -> Counted {
        Counted::new(self, |inner| &inner.wanted)
    }

    /// Counts a consumer that has its queue, as long as the result lives.
    pub(crate) fn attach_consumer(&self) -> Counted {
        Counted::new(self, |inner| &inner.attached)
    }
}

/// Counts one up while it lives.
pub(crate) struct Counted(Bus, fn(&Inner) -> &AtomicUsize);

impl Counted {
    fn new(bus: &Bus, of: fn(&Inner) -> &AtomicUsize) -> Self {
        of(&bus.0).fetch_add(1, Ordering::Relaxed);
        Self(bus.clone(), of)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let Self(bus, of) = self;
        of(&bus.0).fetch_sub(1, Ordering::Relaxed);
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
