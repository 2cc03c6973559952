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

/// How many commands go out in one transaction.
const AT_ONCE: usize = 500;
/// How many bytes of commands are on their way at a time.
const BYTES: usize = 16 << 20;
/// How long a command waits whose agent has no queue, or whose queue does not take it, or that is out and not answered
/// for.
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
    /// truth: what a crash leaves unsaid goes out again, and its rows are locked, so that two replicas never send the
    /// same.
    pub(crate) async fn push_commands(&self, sender: &mut Sender) -> Result<Pushed, Error> {
        if sender.unanswered().is_some() {
            return self.note_unanswered(sender).await;
        }
        let now = self.clock.now();
        let pushed = self
            .store
            .tx(async |conn| {
                let due = mig_mail::mig_mail_due(conn, now, AT_ONCE).await?;
                if due.is_empty() {
                    return Ok::<_, Error>(Pushed::Nothing);
                }
                let letters = self.write_letters(conn, due, now).await?;
                let fates = sender.publish(letters, now).await;
                let sent = sender.unanswered().unwrap_or_default();
                self.note_fates(conn, sent, fates, now).await
            })
            .await?;
        if pushed != Pushed::Unanswered {
            sender.forget();
        }
        self.bus.wake();
        Ok(pushed)
    }

    /// Waits for the broker's word on what went out before, without a lock: what was withdrawn or answered meanwhile
    /// stays so.
    async fn note_unanswered(&self, sender: &mut Sender) -> Result<Pushed, Error> {
        let fates = sender.word().await;
        let sent = sender.unanswered().unwrap_or_default();
        let now = self.clock.now();
        let pushed = self
            .store
            .tx(async |conn| {
                let waiting = mig_mail::mig_mail_hold(conn, sent).await?;
                let fates = fates.map(|mut fates| {
                    fates.retain(|(command, _)| waiting.contains(command));
                    fates
                });
                self.note_fates(conn, sent, fates, now).await
            })
            .await?;
        if pushed != Pushed::Unanswered {
            sender.forget();
        }
        self.bus.wake();
        Ok(pushed)
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
            mig_mail::mig_mail_postpone(conn, &never, None).await?;
        }
        for (module, lost) in impossible {
            let commands: Vec<CommandId> = lost.iter().map(|lost| lost.command).collect();
            offers::mailbox_drop(conn, &commands).await?;
            let reason = module_is_missing(module);
            self.bus.put_all(conn, now, &failed(&lost, &reason, now)).await?;
        }
        Ok(letters)
    }

    /// Remembers what the broker said of commands that are locked; while it has said nothing they wait, and no other
    /// replica sends them.
    async fn note_fates(
        &self,
        conn: &mut Conn,
        sent: &[CommandId],
        fates: Option<Vec<(CommandId, Fate)>>,
        now: OffsetDateTime,
    ) -> Result<Pushed, Error> {
        let Some(fates) = fates else {
            mig_mail::mig_mail_keep(conn, sent, now + AGAIN, now + AGAIN / 2).await?;
            return Ok(Pushed::Unanswered);
        };
        let of = |wanted: &[Fate]| -> Vec<CommandId> {
            let matching = fates.iter().filter(|(_, fate)| wanted.contains(fate));
            matching.map(|(command, _)| *command).collect()
        };
        let (taken, waiting) = (of(&[Fate::Taken]), of(&[Fate::NoQueue, Fate::Refused]));
        let lost = of(&[Fate::Lost]);
        self.mig.count_pushed(taken.len(), waiting.len());
        if !taken.is_empty() {
            let pushed = mig_mail::mig_mail_pushed(conn, &taken, now).await?;
            let commands: Vec<_> = pushed
                .into_iter()
                .map(|(id, action)| DeliveredCommand { id, action: Some(action), at: now })
                .collect();
            self.bus.put_all(conn, now, &CommandDelivered::many(&commands)).await?;
        }
        if !waiting.is_empty() {
            mig_mail::mig_mail_postpone(conn, &waiting, Some(now + AGAIN)).await?;
        }
        if lost.is_empty() {
            return Ok(Pushed::Some);
        }
        mig_mail::mig_mail_postpone(conn, &lost, Some(now)).await?;
        Ok(Pushed::Lost)
    }
}
