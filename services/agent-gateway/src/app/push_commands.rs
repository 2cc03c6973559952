//! Commands of MIG agents are handed to the broker.

use super::App;
use super::end_leases::failed;
use crate::domain::agent::Agent;
use crate::domain::mig_command::Order;
use crate::error::Error;
use crate::mig::sender::{Fate, Letter, Sender};
use crate::store::leases::Lost;
use crate::store::mig_mail::{self, Due};
use crate::store::{agents, mig_agents, offers};
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
/// How long a command waits whose agent has no queue, or whose queue does not take it.
const AGAIN: Duration = Duration::from_secs(30);

/// Says what a round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// Nothing was due.
    Nothing,
    /// The broker answered for all that was due.
    Some,
    /// The line broke; what the broker did not answer for goes out again.
    Lost,
}

impl App {
    /// Hands commands that are due to the broker, and remembers of which it said that it has them. The mailbox is the truth:
    /// what a crash leaves unsaid goes out again, and its rows are locked, so that two replicas never send the same.
    pub(crate) async fn push_commands(&self, sender: &mut Sender) -> Result<Pushed, Error> {
        let now = self.clock.now();
        let pushed = self
            .store
            .tx(async |conn| {
                let due = mig_mail::mig_mail_due(conn, now, AT_ONCE).await?;
                if due.is_empty() {
                    return Ok::<_, Error>(Pushed::Nothing);
                }
                if due.len() >= AT_ONCE {
                    // what else is due is for the other sender
                    self.mig.wake();
                }
                let letters = self.write_letters(conn, due, now).await?;
                self.send_letters(conn, sender, letters, now).await
            })
            .await?;
        self.bus.wake();
        Ok(pushed)
    }

    /// Writes the commands; what cannot be sent any more waits for its withdrawal, and what the agent that reads it cannot
    /// do comes back as failed: between the launch and now it may have become another, and MIG's agents never recover from
    /// a module that they lack (specs/mig/scheduler-agent.md §3).
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
        let able = mig_agents::mig_modules(conn, &queuelocs).await?;
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

    async fn send_letters(
        &self,
        conn: &mut Conn,
        sender: &mut Sender,
        letters: Vec<(CommandId, Letter)>,
        now: OffsetDateTime,
    ) -> Result<Pushed, Error> {
        let (commands, letters): (Vec<CommandId>, Vec<Letter>) = letters.into_iter().unzip();
        let fates = sender.publish(letters, now).await;
        let of = |wanted: &[Fate]| -> Vec<CommandId> {
            let matching = commands.iter().zip(&fates).filter(|(_, fate)| wanted.contains(fate));
            matching.map(|(command, _)| *command).collect()
        };
        let (taken, waiting) = (of(&[Fate::Taken]), of(&[Fate::NoQueue, Fate::Refused]));
        self.mig.count_pushed(taken.len(), waiting.len());
        if !taken.is_empty() {
            mig_mail::mig_mail_pushed(conn, &taken, now).await?;
            let commands: Vec<_> =
                taken.into_iter().map(|id| DeliveredCommand { id, at: now }).collect();
            self.bus.put_all(conn, now, &CommandDelivered::many(&commands)).await?;
        }
        if !waiting.is_empty() {
            mig_mail::mig_mail_postpone(conn, &waiting, Some(now + AGAIN)).await?;
        }
        let lost = fates.contains(&Fate::Lost);
        Ok(if lost { Pushed::Lost } else { Pushed::Some })
    }
}
