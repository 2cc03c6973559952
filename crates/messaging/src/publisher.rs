//! Publishing with confirms, many in flight at once.

use crate::link::{Link, LinkError, RPC, rpc};
use crate::topology;
use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation};
use std::collections::HashSet;

/// Is one message on its way to the broker.
pub(crate) struct Outgoing<'a> {
    pub(crate) exchange: &'a str,
    pub(crate) key: &'a str,
    /// Whether it must reach a queue.
    pub(crate) mandatory: bool,
    pub(crate) body: &'a [u8],
    /// Must carry a message-id: the broker's returns are known by it.
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

/// Is a channel in confirm mode.
pub(crate) struct Publisher(Channel);

impl Publisher {
    /// Opens a channel and declares what every service needs.
    pub(crate) async fn open(link: &Link) -> Result<Self, LinkError> {
        let channel = topology::open(link).await?;
        rpc(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(Self(channel))
    }

    /// Counts the messages that wait in a queue; one that does not exist closes the channel.
    pub(crate) async fn depth(&self, queue: &str) -> Result<u32, LinkError> {
        let look = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = self.0.queue_declare(queue.into(), look, FieldTable::default());
        Ok(rpc(found).await?.message_count())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.status().connected()
    }

    /// Publishes in order and waits for all confirms; gives one fate for each message.
    ///
    /// Takes `&mut self`: lapin hands a returned message to whichever confirm comes next, so returns can be told apart
    /// only within one closed set of messages, by their ids.
    pub(crate) async fn publish(&mut self, messages: Vec<Outgoing<'_>>) -> Vec<Fate> {
        let ids: Vec<_> = messages.iter().map(|message| id(&message.properties)).collect();
        let sent = join_all(messages.into_iter().map(|message| self.send(message)));
        let Ok(confirmations) = tokio::time::timeout(RPC, sent).await else {
            // the caller lets this publisher go: a late confirm must not be taken for another message's
            return vec![Fate::Lost; ids.len()];
        };
        let mut returned = HashSet::new();
        let fates: Vec<_> = confirmations
            .into_iter()
            .map(|confirmation| match confirmation {
                Ok(Confirmation::Ack(back)) => {
                    returned.extend(back.and_then(|message| id(&message.delivery.properties)));
                    Fate::Confirmed
                }
                Ok(Confirmation::Nack(back)) => {
                    returned.extend(back.and_then(|message| id(&message.delivery.properties)));
                    Fate::Refused
                }
                Ok(Confirmation::NotRequested) | Err(_) => Fate::Lost,
            })
            .collect();
        let back = |id: &Option<String>| id.as_ref().is_some_and(|id| returned.contains(id));
        let fate =
            |(fate, id)| if fate == Fate::Confirmed && back(id) { Fate::Returned } else { fate };
        fates.into_iter().zip(&ids).map(fate).collect()
    }

    /// Publishes one message that must reach a queue.
    pub(crate) async fn publish_one(&mut self, message: Outgoing<'_>) -> Result<(), LinkError> {
        match self.publish(vec![message]).await.first() {
            Some(Fate::Confirmed) => Ok(()),
            Some(Fate::Returned) => Err(LinkError::Gone("a queue is missing")),
            Some(Fate::Refused) => Err(LinkError::Gone("a queue is full")),
            Some(Fate::Lost) | None => Err(LinkError::Gone("the link broke while publishing")),
        }
    }

    async fn send(&self, message: Outgoing<'_>) -> lapin::Result<Confirmation> {
        let options =
            BasicPublishOptions { mandatory: message.mandatory, ..BasicPublishOptions::default() };
        let (exchange, key) = (message.exchange.into(), message.key.into());
        self.0.basic_publish(exchange, key, options, message.body, message.properties).await?.await
    }
}

fn id(properties: &BasicProperties) -> Option<String> {
    properties.message_id().as_ref().map(ToString::to_string)
}
