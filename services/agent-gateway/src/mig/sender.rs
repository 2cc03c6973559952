//! Commands on their way out, with confirms, many in flight at once.

use super::desk::warn;
use super::topology::{self, TO_AGENTS, queue_of};
use crate::app::App;
use crate::app::push_commands::Pushed;
use crate::config::ExchangeKind;
use futures_util::future::join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use messaging::link::{Link, LinkError, Pause, RPC, rpc};
use service::Shutdown;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// The mailbox is looked at so often when nobody rings.
const EVERY: Duration = Duration::from_millis(500);

/// Is one command on its way to its agent's queue.
#[derive(Debug)]
pub(crate) struct Letter {
    key: String,
    body: String,
    expiration: String,
}

impl Letter {
    /// Addresses a command.
    pub(crate) fn new(queueloc: &str, body: String, expiration: String) -> Self {
        Self { key: queue_of(queueloc), body, expiration }
    }
}

/// Says what became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The agent's queue has it, durably.
    Taken,
    /// The agent has no queue.
    NoQueue,
    /// The broker said no.
    Refused,
    /// The line broke; it may have arrived or not.
    Lost,
}

/// Is a channel in confirm mode.
pub(crate) struct Sender(Channel);

impl Sender {
    async fn open(link: &Link, kind: ExchangeKind) -> Result<Self, LinkError> {
        let channel = link.channel().await?;
        rpc(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        topology::declare(&channel, kind).await?;
        Ok(Self(channel))
    }

    /// Publishes in order and waits for all confirms; gives one fate for each letter.
    ///
    /// Takes `&mut self`: lapin hands a returned message to whichever confirm comes next, so returns can be told apart only
    /// within one closed set of letters, by their routing keys, each of which is one queue.
    pub(crate) async fn publish(&mut self, letters: Vec<Letter>, now: OffsetDateTime) -> Vec<Fate> {
        let keys: Vec<String> = letters.iter().map(|letter| letter.key.clone()).collect();
        let sent = join_all(letters.into_iter().map(|letter| self.send(letter, now)));
        let Ok(confirmations) = tokio::time::timeout(RPC, sent).await else {
            // a late confirm must not be taken for another letter's
            let _closed = rpc(self.0.close(200, "OK".into())).await;
            return vec![Fate::Lost; keys.len()];
        };
        let mut returned = HashSet::new();
        let mut fates = Vec::with_capacity(keys.len());
        for confirmation in confirmations {
            let (fate, back) = match confirmation {
                Ok(Confirmation::Ack(back)) => (Fate::Taken, back),
                Ok(Confirmation::Nack(back)) => (Fate::Refused, back),
                Ok(Confirmation::NotRequested) | Err(_) => (Fate::Lost, None),
            };
            returned.extend(back.map(|message| message.delivery.routing_key.to_string()));
            fates.push(fate);
        }
        for (fate, key) in fates.iter_mut().zip(&keys) {
            if *fate == Fate::Taken && returned.contains(key) {
                *fate = Fate::NoQueue;
            }
        }
        fates
    }

    async fn send(&self, letter: Letter, now: OffsetDateTime) -> lapin::Result<Confirmation> {
        let properties = BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_delivery_mode(2)
            .with_timestamp(now.unix_timestamp().try_into().unwrap_or(0))
            .with_expiration(letter.expiration.into());
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key, body) = (TO_AGENTS.into(), letter.key.into(), letter.body.as_bytes());
        self.0.basic_publish(exchange, key, options, body, properties).await?.await
    }
}

/// Sends until `shutdown`; at any error of the line it starts over.
pub(super) async fn run(app: Arc<App>, link: Arc<Link>, shutdown: Shutdown) {
    let mut sender: Option<Sender> = None;
    let mut pause = Pause::new();
    while !shutdown.is_triggered() {
        let wait = match round(&app, &link, &mut sender).await {
            Ok(true) => {
                pause.reset();
                continue;
            }
            Ok(false) => {
                pause.reset();
                EVERY
            }
            Err(error) => {
                tracing::warn!(%error, "commands stay in the mailbox for now");
                sender = None;
                pause.take()
            }
        };
        tokio::select! {
            () = shutdown.wait() => {}
            () = app.mig.bell.notified(), if wait == EVERY => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    drop(sender);
    link.close().await;
}

/// Sends once what is due; tells whether there was anything.
async fn round(app: &App, link: &Link, sender: &mut Option<Sender>) -> Result<bool, LinkError> {
    let open = match sender.take().filter(|sender| sender.0.status().connected()) {
        Some(open) => sender.insert(open),
        None => sender.insert(Sender::open(link, app.config.mig_exchange).await?),
    };
    match app.push_commands(open).await {
        Ok(Pushed::Nothing) => Ok(false),
        Ok(Pushed::Some) => Ok(true),
        Ok(Pushed::Lost) => Err(LinkError::Gone("the line broke while commands were sent")),
        Err(error) => {
            warn(&error);
            // the line is well; what was sent and could not be noted goes out again
            *sender = None;
            Err(LinkError::Gone("the mailbox cannot be read or written"))
        }
    }
}
