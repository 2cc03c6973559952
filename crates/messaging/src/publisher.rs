//! Publishing with confirms, many in flight at once.

use crate::link::{Link, LinkError, RPC, rpc};
use crate::topology;
use futures_util::future::{BoxFuture, join_all};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// While the broker says nothing, it is looked so often whether it holds publishers up.
const LOOK: Duration = Duration::from_millis(100);

/// Is one message on its way to the broker.
pub(crate) struct Outgoing {
    pub(crate) exchange: &'static str,
    pub(crate) key: String,
    /// Whether it must reach a queue.
    pub(crate) mandatory: bool,
    pub(crate) body: Vec<u8>,
    /// The broker's returns are known by the message-id: of those without one, one that came back stands for all.
    pub(crate) properties: BasicProperties,
}

/// Says what became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Every queue that it goes to has it, durably.
    Confirmed,
    /// No queue wants it.
    Returned,
    /// The broker said no, for instance because a queue is full.
    Refused,
    /// The link broke; it may have arrived or not.
    Lost,
}

impl Fate {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Returned => "returned",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

/// Is a channel in confirm mode, and what went out on it and was not answered for.
pub(crate) struct Publisher {
    channel: Channel,
    sent: Option<Sent>,
}

/// Is a closed set of messages that went out. While the broker holds publishers up (it is short of memory or disk), what
/// was written to the line lies there, and goes on when it does: so it is waited for, and not sent again as long as the
/// line stands.
struct Sent {
    ids: Vec<Option<String>>,
    /// In a lock that nobody waits for: with it, whoever holds a publisher may be looked at by other threads.
    confirms: Mutex<BoxFuture<'static, Vec<lapin::Result<Confirmation>>>>,
    /// For how long the broker has said nothing though it holds nobody up.
    silent: Duration,
}

impl Publisher {
    /// Opens a channel and declares what every service needs.
    pub(crate) async fn open(link: &Link) -> Result<Self, LinkError> {
        let channel = topology::open(link).await?;
        rpc(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(Self { channel, sent: None })
    }

    /// Counts the messages that wait in a queue; one that does not exist closes the channel.
    pub(crate) async fn depth(&self, queue: &str) -> Result<u32, LinkError> {
        let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = self.channel.queue_declare(queue.into(), look, FieldTable::default());
        Ok(rpc(found).await?.message_count())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.channel.status().connected()
    }

    /// Publishes in order; [`Publisher::word`] tells what became of them. What was sent before must be answered for.
    ///
    /// lapin hands a returned message to whichever confirm comes next, so returns can be told apart only within one
    /// closed set of messages, by their ids.
    pub(crate) fn send(&mut self, messages: Vec<Outgoing>) {
        let ids = messages.iter().map(|message| id(&message.properties)).collect();
        let channel = self.channel.clone();
        let confirms: BoxFuture<'static, _> = Box::pin(async move {
            join_all(messages.into_iter().map(|message| send(&channel, message))).await
        });
        self.sent = Some(Sent { ids, confirms: Mutex::new(confirms), silent: Duration::ZERO });
    }

    /// Waits for all confirms and gives the fate of each message; nothing when the broker holds publishers up, who ask
    /// again then.
    pub(crate) async fn word(&mut self, link: &Link) -> Option<Vec<Fate>> {
        let Some(sent) = &mut self.sent else { return Some(Vec::new()) };
        let confirms = sent.confirms.get_mut().unwrap_or_else(PoisonError::into_inner);
        let fates = loop {
            if let Ok(confirmations) = tokio::time::timeout(LOOK, &mut *confirms).await {
                break fates(confirmations, &sent.ids);
            }
            if link.is_blocked() {
                sent.silent = Duration::ZERO;
                return None;
            }
            sent.silent += LOOK;
            if sent.silent >= RPC {
                // the caller lets this publisher go: a late confirm must not be taken for another message's
                break vec![Fate::Lost; sent.ids.len()];
            }
        };
        self.sent = None;
        Some(fates)
    }
}

async fn send(channel: &Channel, message: Outgoing) -> lapin::Result<Confirmation> {
    let Outgoing { exchange, key, mandatory, body, properties } = message;
    let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
    let sent = channel.basic_publish(exchange.into(), key.into(), options, &body, properties).await;
    drop(body);
    sent?.await
}

fn fates(confirmations: Vec<lapin::Result<Confirmation>>, ids: &[Option<String>]) -> Vec<Fate> {
    let mut returned = HashSet::new();
    let mut fates = Vec::with_capacity(ids.len());
    for confirmation in confirmations {
        let (fate, back) = match confirmation {
            Ok(Confirmation::Ack(back)) => (Fate::Confirmed, back),
            Ok(Confirmation::Nack(back)) => (Fate::Refused, back),
            Ok(Confirmation::NotRequested) | Err(_) => (Fate::Lost, None),
        };
        returned.extend(back.map(|message| id(&message.delivery.properties)));
        fates.push(fate);
    }
    for (fate, id) in fates.iter_mut().zip(ids) {
        if *fate == Fate::Confirmed && returned.contains(id) {
            *fate = Fate::Returned;
        }
    }
    fates
}

fn id(properties: &BasicProperties) -> Option<String> {
    properties.message_id().as_ref().map(ToString::to_string)
}
