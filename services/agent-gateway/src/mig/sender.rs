//! Commands on their way out, with confirms, many in flight at once.

use super::desk::warn;
use super::topology::{self, TO_AGENTS, queue_of};
use crate::app::App;
use crate::app::push_commands::Pushed;
use crate::config::ExchangeKind;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use messaging::link::{Link, LinkError, Pause, rpc};
use service::Shutdown;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::Instant;
use types::CommandId;

/// The mailbox is looked at so often when nobody rings.
const EVERY: Duration = Duration::from_millis(500);
/// How long the broker is waited for at a time.
const WORD: Duration = Duration::from_secs(2);
/// A broker that does not hold publishers up and says nothing for so long has lost what it was given.
const SILENT: Duration = Duration::from_mins(1);

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

/// Is a channel in confirm mode, and what went out on it and was not answered for.
pub(crate) struct Sender {
    channel: Channel,
    batch: Option<Batch>,
}

/// Is what was published together. While the broker holds publishers up (it is short of memory or disk), what was
/// written to the line lies there, and goes on when it does: so it is waited for, and never sent again as long as the
/// line stands.
struct Batch {
    commands: Vec<CommandId>,
    confirms: BoxFuture<'static, Vec<Fate>>,
    fates: Option<Vec<Fate>>,
    since: Instant,
}

impl Sender {
    async fn open(link: &Link, kind: ExchangeKind) -> Result<Self, LinkError> {
        let channel = link.channel().await?;
        rpc(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        topology::declare(&channel, kind).await?;
        Ok(Self { channel, batch: None })
    }

    /// Puts letters on the line in order, and waits for nothing ([`Sender::word`]). What was published before must be
    /// forgotten by then.
    ///
    /// lapin hands a returned message to whichever confirm comes next, so returns can be told apart only within one
    /// closed set of letters, by their bodies: the original sends no message ids.
    pub(crate) fn publish(&mut self, letters: Vec<(CommandId, Letter)>, now: OffsetDateTime) {
        let (commands, letters): (Vec<CommandId>, Vec<Letter>) = letters.into_iter().unzip();
        let mut confirms = confirms(self.channel.clone(), letters, now).boxed();
        // lapin takes each when it is asked first
        let fates = (&mut confirms).now_or_never();
        self.batch = Some(Batch { commands, confirms, fates, since: Instant::now() });
    }

    /// Gives the commands that went out and were not answered for.
    pub(crate) fn unanswered(&self) -> Option<&[CommandId]> {
        Some(&self.batch.as_ref()?.commands)
    }

    /// Waits for the rest of the confirms; gives the fates of all when they are there.
    pub(crate) async fn word(&mut self) -> Option<Vec<(CommandId, Fate)>> {
        let batch = self.batch.as_mut()?;
        if batch.fates.is_none() {
            batch.fates = tokio::time::timeout(WORD, &mut batch.confirms).await.ok();
        }
        let fates = batch.fates.as_ref()?;
        Some(batch.commands.iter().copied().zip(fates.iter().copied()).collect())
    }

    /// Forgets what went out: its fates are noted.
    pub(crate) fn forget(&mut self) {
        self.batch = None;
    }

    fn is_silent(&self) -> bool {
        let waits = self.batch.as_ref().filter(|batch| batch.fates.is_none());
        waits.is_some_and(|batch| batch.since.elapsed() > SILENT)
    }

    /// Takes what was not answered for as lost.
    fn give_up(&mut self) {
        if let Some(batch) = &mut self.batch {
            batch.fates = Some(vec![Fate::Lost; batch.commands.len()]);
        }
    }
}

/// Publishes letters and waits for all confirms, or the end of the line.
async fn confirms(channel: Channel, letters: Vec<Letter>, now: OffsetDateTime) -> Vec<Fate> {
    let sending = letters.iter().map(|letter| send(&channel, letter, now));
    let confirmations = join_all(sending).await;
    judge(&letters, confirmations)
}

/// Tells what became of each letter, whose confirmation may have brought another one back.
fn judge(letters: &[Letter], confirmations: Vec<lapin::Result<Confirmation>>) -> Vec<Fate> {
    let mut returned = HashSet::new();
    let mut fates = Vec::with_capacity(letters.len());
    for confirmation in confirmations {
        let (fate, back) = match confirmation {
            Ok(Confirmation::Ack(back)) => (Fate::Taken, back),
            Ok(Confirmation::Nack(back)) => (Fate::Refused, back),
            Ok(Confirmation::NotRequested) | Err(_) => (Fate::Lost, None),
        };
        returned.extend(back.map(|message| message.delivery.data));
        fates.push(fate);
    }
    for (fate, letter) in fates.iter_mut().zip(letters) {
        if *fate == Fate::Taken && returned.contains(letter.body.as_bytes()) {
            *fate = Fate::NoQueue;
        }
    }
    fates
}

async fn send(
    channel: &Channel,
    letter: &Letter,
    now: OffsetDateTime,
) -> lapin::Result<Confirmation> {
    let properties = BasicProperties::default()
        .with_content_type("text/plain".into())
        .with_delivery_mode(2)
        .with_timestamp(now.unix_timestamp().try_into().unwrap_or(0))
        .with_expiration(letter.expiration.as_str().into());
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let (exchange, key, body) =
        (TO_AGENTS.into(), letter.key.as_str().into(), letter.body.as_bytes());
    channel.basic_publish(exchange, key, options, body, properties).await?.await
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
                // what went out and could not be noted is noted when the mailbox is back
                sender = sender.filter(|sender| sender.batch.is_some());
                pause.take()
            }
        };
        tokio::select! {
            () = shutdown.wait() => {}
            () = app.mig.bell.notified(), if wait == EVERY => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    // what the broker takes now is not sent again by whoever comes next
    if let Some(mut open) = sender.filter(|sender| sender.batch.is_some())
        && let Err(error) = app.push_commands(&mut open).await
    {
        warn(&error);
    }
    link.close().await;
}

/// Sends once what is due; tells whether there was anything.
async fn round(app: &App, link: &Link, sender: &mut Option<Sender>) -> Result<bool, LinkError> {
    let is_fit = |sender: &Sender| sender.batch.is_some() || sender.channel.status().connected();
    let open = match sender.take().filter(is_fit) {
        Some(open) => sender.insert(open),
        None => sender.insert(Sender::open(link, app.config.mig_exchange).await?),
    };
    if link.is_blocked() {
        match &mut open.batch {
            None => return Ok(false),
            // it is known why nothing is said
            Some(batch) => batch.since = Instant::now(),
        }
    } else if open.is_silent() {
        link.close().await;
        open.give_up();
    }
    match app.push_commands(open).await {
        Ok(Pushed::Nothing) => Ok(false),
        Ok(Pushed::Some | Pushed::Unanswered) => Ok(true),
        Ok(Pushed::Lost) => Err(LinkError::Gone("the line broke while commands were sent")),
        Err(error) => {
            warn(&error);
            Err(LinkError::Gone("the mailbox cannot be read or written"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::message::{BasicReturnMessage, Delivery};

    fn returned(letter: &Letter) -> BasicReturnMessage {
        let (exchange, key) = (TO_AGENTS.into(), letter.key.as_str().into());
        let body = letter.body.clone().into_bytes();
        BasicReturnMessage {
            delivery: Delivery::mock(0, exchange, key, false, body),
            reply_code: 312,
            reply_text: "NO_ROUTE".into(),
        }
    }

    #[test]
    fn what_came_back_is_told_from_what_went_to_the_same_queue_a_moment_later() {
        let letter = |queueloc, body: &str| Letter::new(queueloc, body.into(), "1".into());
        let letters = [letter("a", "1"), letter("a", "2"), letter("b", "3"), letter("b", "4")];
        let [back, _, other, _] = &letters;
        let confirmations = vec![
            Ok(Confirmation::Ack(None)),
            // lapin gives what came back with whichever confirmation comes next
            Ok(Confirmation::Ack(Some(returned(back)))),
            Ok(Confirmation::Nack(Some(returned(other)))),
            Ok(Confirmation::NotRequested),
        ];
        let fates = judge(&letters, confirmations);
        assert_eq!(fates, [Fate::NoQueue, Fate::Taken, Fate::Refused, Fate::Lost]);
    }
}
