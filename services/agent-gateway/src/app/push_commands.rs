//! Commands of MIG agents are handed to the broker.

use super::App;
use super::end_leases::failed;
use crate::domain::agent::Agent;
use crate::domain::mig_command::Order;
use crate::error::Error;
use crate::mig::sender::{Fate, Letter, Sender};
use crate::store::leases::Lost;
use crate::store::mig_mail::{self, Due};
use crate::store::{agents, mig_machines, offers};
use std::collections::BTreeMap;
use std::time::Duration;
use store::Conn;
use time::OffsetDateTime;
use types::messages::CommandDelivered;
use types::messages::command::{DeliveredCommand, module_is_missing};
use types::{ActionId, AgentId, CommandId};

/// How many commands go out together.
const AT_ONCE: usize = 500;
/// How many bytes of commands are on their way at a time.
const BYTES: usize = 16 << 20;
/// How long a command waits whose agent has no queue, or whose queue does not take it, and how long it is claimed by who
/// sends it.
const AGAIN: Duration = Duration::from_secs(30);

/// Says what a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// Nothing was due.
    Nothing,
    /// The broker answered for all that was due.
    Some,
    /// It is slow, or holds publishers up: what went out is waited for before anything else does.
    Unanswered,
    /// The line broke; what the broker did not answer for goes out again.
    Lost,
}

impl App {
    /// Hands commands that are due to the broker, and remembers of which it said that it has them. The mailbox is the
    /// truth: who sends commands has claimed them before, so that two replicas never send the same, also when the
    /// database goes away in between.
    pub(crate) async fn push_commands(&self, sender: &mut Sender) -> Result<Pushed, Error> {
        let pushed = self.push(sender).await;
        if matches!(pushed, Err(Error::Unavailable(_))) {
            self.mailbox.lost();
        }
        pushed
    }

    async fn push(&self, sender: &mut Sender) -> Result<Pushed, Error> {
        if sender.unanswered().is_none() {
            let now = self.clock.now();
            let Some((letters, until)) = self.claim_letters(now).await? else {
                return Ok(Pushed::Nothing);
            };
            self.bus.wake();
            if !letters.is_empty() {
                self.hand_over(sender, letters, until, now).await?;
            }
            if sender.unanswered().is_none() {
                return Ok(Pushed::Some);
            }
        }
        let fates = sender.word().await;
        self.note_fates(sender, fates).await
    }

    /// Claims what is due and writes it; nothing when nothing is. What another claimed and neither sent nor gave back
    /// is taken over when its time is over, but not soon after the database was away: who claimed it could not note
    /// what became of it.
    async fn claim_letters(
        &self,
        now: OffsetDateTime,
    ) -> Result<Option<(Vec<(CommandId, Letter)>, OffsetDateTime)>, Error> {
        let until = now + AGAIN;
        let letters = self
            .store
            .tx(async |conn| {
                let known = self.mailbox.since(now) <= now - AGAIN;
                let claimed = if known { now } else { OffsetDateTime::UNIX_EPOCH };
                let due = mig_mail::mig_mail_due(conn, now, claimed, AT_ONCE).await?;
                if due.is_empty() {
                    return Ok::<_, Error>(None);
                }
                let letters = self.write_letters(conn, due, now).await?;
                let commands: Vec<CommandId> =
                    letters.iter().map(|(command, _)| *command).collect();
                mig_mail::mig_mail_claim(conn, &commands, until, until).await?;
                Ok(Some(letters))
            })
            .await?;
        Ok(letters.map(|letters| (letters, until)))
    }

    /// Puts letters on the line, without waiting for the broker. What was withdrawn since it was claimed is not: a
    /// withdrawal waits for as long as this takes, so that nothing leaves after it.
    async fn hand_over(
        &self,
        sender: &mut Sender,
        mut letters: Vec<(CommandId, Letter)>,
        until: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let commands: Vec<CommandId> = letters.iter().map(|(command, _)| *command).collect();
        self.store
            .tx(async |conn| {
                let held = mig_mail::mig_mail_hold(conn, &commands, until).await?;
                letters.retain(|(command, _)| held.contains(command));
                if !letters.is_empty() {
                    sender.publish(letters, now);
                }
                Ok(())
            })
            .await
    }

    /// Writes the commands; what cannot be sent any more waits for its withdrawal, and what the agent that reads it
    /// cannot do comes back as failed: between the launch and now it may have become another, and MIG's agents never
    /// recover from a module that they lack (specs/mig/scheduler-agent.md §3).
    async fn write_letters(
        &self,
        conn: &mut Conn,
        due: Vec<Due>,
        now: OffsetDateTime,
    ) -> Result<Vec<(CommandId, Letter)>, Error> {
        let mut actions: Vec<i64> = due.iter().map(|mail| mail.action.0).collect();
        actions.sort_unstable();
        actions.dedup();
        let mut orders = BTreeMap::new();
        for document in mig_mail::documents_find(conn, &actions).await? {
            if document.expire_after <= now {
                continue;
            }
            let action = ActionId(document.action);
            let started = document.started.unwrap_or(now);
            match Order::of(&document.text, action, started, document.sent) {
                Ok(order) => drop(orders.insert(action, order)),
                Err(error) => {
                    tracing::error!(action.id = %action, %error, "a document cannot be sent");
                }
            }
        }
        let numbers: Vec<AgentId> = due.iter().map(|mail| mail.agent).collect();
        let agents: BTreeMap<AgentId, Agent> = agents::agents_by_number(conn, &numbers)
            .await?
            .into_iter()
            .map(|agent| (agent.number, agent))
            .collect();
        let queuelocs: Vec<&str> = agents.values().map(|agent| agent.queueloc.as_str()).collect();
        let able = mig_machines::mig_modules(conn, &queuelocs).await?;
        let (mut letters, mut never, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut impossible = BTreeMap::<&str, Vec<Lost>>::new();
        for mail in due {
            let (Some(order), Some(agent)) = (orders.get(&mail.action), agents.get(&mail.agent))
            else {
                never.push(mail.command);
                continue;
            };
            if let Some(missing) = able.get(&agent.queueloc).and_then(|has| order.lacking(has)) {
                let (command, action, agent) = (mail.command, mail.action, mail.agent);
                let lost = Lost { command, action, agent, operations: order.modules.len() };
                impossible.entry(missing).or_default().push(lost);
                continue;
            }
            let body = order
                .command(mail.command, agent, now)
                .map_err(|error| Error::Internal(error.into()))?;
            bytes += body.len();
            let expiration = order.expiration.clone();
            letters.push((mail.command, Letter::new(&agent.queueloc, body, expiration)));
            // the others stay due
            if bytes > BYTES {
                break;
            }
        }
        if !never.is_empty() {
            mig_mail::mig_mail_postpone(conn, &never).await?;
        }
        for (module, lost) in impossible {
            let commands: Vec<CommandId> = lost.iter().map(|lost| lost.command).collect();
            offers::mailbox_drop(conn, &commands).await?;
            let reason = module_is_missing(module);
            self.bus.put_all(conn, now, &failed(&lost, &reason, now)).await?;
        }
        Ok(letters)
    }

    /// Remembers what the broker said; while it has said nothing, what went out stays claimed.
    async fn note_fates(
        &self,
        sender: &mut Sender,
        fates: Option<Vec<(CommandId, Fate)>>,
    ) -> Result<Pushed, Error> {
        let now = self.clock.now();
        let Some(fates) = fates else {
            let sent = sender.unanswered().unwrap_or_default();
            let mut conn = self.store.get().await?;
            mig_mail::mig_mail_claim(&mut conn, sent, now + AGAIN, now + AGAIN / 2).await?;
            return Ok(Pushed::Unanswered);
        };
        let again = |fate: Fate| match fate {
            Fate::Taken => None,
            Fate::NoQueue | Fate::Refused => Some(now + AGAIN),
            Fate::Lost => Some(now),
        };
        let sent: Vec<_> = fates.iter().map(|(command, fate)| (*command, again(*fate))).collect();
        self.store
            .tx(async |conn| {
                let taken = mig_mail::mig_mail_note(conn, &sent, now).await?;
                let taken: Vec<_> =
                    taken.into_iter().map(|id| DeliveredCommand { id, at: now }).collect();
                self.bus.put_all(conn, now, &CommandDelivered::many(&taken)).await?;
                Ok::<_, Error>(())
            })
            .await?;
        sender.forget();
        self.bus.wake();
        let count =
            |wanted: &[Fate]| fates.iter().filter(|(_, fate)| wanted.contains(fate)).count();
        self.mig.count_pushed(count(&[Fate::Taken]), count(&[Fate::NoQueue, Fate::Refused]));
        Ok(if count(&[Fate::Lost]) > 0 { Pushed::Lost } else { Pushed::Some })
    }
}
