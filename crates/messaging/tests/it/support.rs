//! A service that counts, and the loops that feed it.

use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use futures_util::FutureExt;
use messaging::{
    BoxFuture, Bus, Delivery, Outcome, Queue, Settings, Shutdown, Subscription, inbox,
};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use store::{Conn, Failure, Store, sql};
use testkit::{Database, PATIENCE, until};
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::task::JoinSet;
use types::Message;

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-21 12:00:00 UTC);
const EFFECTS: EmbeddedMigrations = embed_migrations!("tests/it/migrations");

/// Is the message of these tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) n: i64,
    #[serde(default)]
    pub(crate) text: String,
}

impl Counted {
    pub(crate) fn new(n: i64) -> Self {
        Self { n, text: String::new() }
    }
}

impl Message for Counted {
    const KIND: &'static str = "test.counted.v1";

    fn subject(&self) -> String {
        self.n.to_string()
    }
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Says what the handler does with a message before it counts it.
pub(crate) type Rule = fn(&Counter, &Counted, &Delivery) -> Option<Outcome>;

/// Is the service: it writes each number down, once for each message.
pub(crate) struct Counter {
    pub(crate) store: Store,
    pub(crate) rule: Rule,
    /// The sizes of the batches.
    pub(crate) batches: Mutex<Vec<usize>>,
    /// What the rule wants to count.
    pub(crate) seen: AtomicUsize,
    /// How often the queue was made.
    pub(crate) connected: AtomicUsize,
}

impl Counter {
    async fn take(&self, deliveries: &[Delivery]) -> Result<(), Outcome> {
        self.batches.lock().unwrap().push(deliveries.len());
        let mut numbers = Vec::new();
        for delivery in deliveries {
            let counted = delivery.decode::<Counted>()?.data;
            if let Some(outcome) = (self.rule)(self, &counted, delivery) {
                return Err(outcome);
            }
            numbers.push((delivery.id, counted.n));
        }
        let ids: Vec<_> = numbers.iter().map(|(id, _)| *id).collect();
        let done = self.store.tx(async |conn: &mut Conn| -> Result<(), Failure> {
            let new = inbox::admit(conn, "counter.numbers", &ids, NOW).await?;
            for (id, n) in numbers.iter().filter(|(id, _)| new.contains(id)) {
                sql("insert into effect (message_id, n) values ($1, $2)")
                    .bind::<diesel::sql_types::Uuid, _>(id)
                    .bind::<BigInt, _>(n)
                    .execute(conn)
                    .await?;
            }
            Ok(())
        });
        done.await.map_err(Outcome::from)
    }
}

pub(crate) fn handle<'a>(
    counter: &'a Counter,
    deliveries: &'a [Delivery],
) -> BoxFuture<'a, Outcome> {
    async move { counter.take(deliveries).await.err().unwrap_or(Outcome::Done) }.boxed()
}

pub(crate) fn connected(counter: &Counter) -> BoxFuture<'_, ()> {
    async move {
        counter.connected.fetch_add(1, Ordering::SeqCst);
    }
    .boxed()
}

pub(crate) fn subscription(queue: Queue) -> Subscription<Counter> {
    Subscription { queue, kinds: &[Counted::KIND], handle, connected: Some(connected) }
}

pub(crate) const NUMBERS: Queue = Queue::Stream("numbers");

/// Is a process of the service `counter`.
pub(crate) struct Process {
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    pub(crate) counter: Arc<Counter>,
    shutdown: Shutdown,
    tasks: JoinSet<()>,
}

impl Process {
    pub(crate) fn new(store: Store, settings: &Settings) -> Self {
        Self::ruled(store, settings, |_, _, _| None)
    }

    pub(crate) fn ruled(store: Store, settings: &Settings, rule: Rule) -> Self {
        let counter = Counter {
            store: store.clone(),
            rule,
            batches: Mutex::default(),
            seen: AtomicUsize::new(0),
            connected: AtomicUsize::new(0),
        };
        Self {
            bus: Bus::new("counter", settings).unwrap(),
            store,
            counter: Arc::new(counter),
            shutdown: Shutdown::new(),
            tasks: JoinSet::new(),
        }
    }

    pub(crate) fn relay(&mut self) {
        self.tasks.spawn(messaging::relay(
            self.bus.clone(),
            self.store.clone(),
            self.shutdown.clone(),
        ));
    }

    pub(crate) fn consume(&mut self, queue: Queue) {
        let (bus, store, shutdown) = (self.bus.clone(), self.store.clone(), self.shutdown.clone());
        let counter = Arc::clone(&self.counter);
        self.tasks.spawn(messaging::consume(bus, store, counter, subscription(queue), shutdown));
    }

    pub(crate) async fn put(&self, numbers: impl IntoIterator<Item = i64>) {
        let messages: Vec<_> = numbers.into_iter().map(Counted::new).collect();
        self.put_messages(&messages).await;
    }

    pub(crate) async fn put_messages<M: Message>(&self, messages: &[M]) {
        let put: Result<(), Failure> = self
            .store
            .tx(async |conn: &mut Conn| Ok(self.bus.put_all(conn, NOW, messages).await?))
            .await;
        put.unwrap();
        self.bus.wake();
    }

    pub(crate) async fn connected(&self) {
        until(PATIENCE, async || self.bus.is_connected()).await;
    }

    /// Counts by SQL.
    pub(crate) async fn count(&self, of: &str) -> i64 {
        let mut conn = self.store.get().await.unwrap();
        let text = format!("select count(*) as number from {of}");
        sql(text).get_result::<Number>(&mut conn).await.unwrap().number
    }

    /// Waits until each of `n` numbers is written down, and fails when one is twice.
    pub(crate) async fn effects(&self, n: i64) {
        until(PATIENCE, async || {
            self.count("(select distinct n from effect) as numbers").await == n
        })
        .await;
        assert_eq!(self.count("effect").await, n, "a number is written down twice");
    }

    pub(crate) async fn empty_outbox(&self) {
        until(PATIENCE, async || self.count("messaging.outbox").await == 0).await;
    }

    /// Says the word, and waits for the loops to end.
    pub(crate) async fn stop(mut self) {
        self.shutdown.trigger();
        let ended = tokio::time::timeout(PATIENCE, async {
            while self.tasks.join_next().await.is_some() {}
        });
        ended.await.expect("the loops do not end");
    }
}

pub(crate) async fn database() -> Database {
    Database::new("messaging", vec![messaging::MIGRATIONS, EFFECTS]).await
}
