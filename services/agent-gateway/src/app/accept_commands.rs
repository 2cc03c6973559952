//! The scheduler made commands: they wait for their agents from now on.

use super::App;
use super::end_leases::failed;
use super::offer_tasks::find_impossible;
use crate::error::Error;
use crate::store::leases::Lost;
use crate::store::mailbox::NewMail;
use crate::store::{agents, mailbox, mig_agents};
use messaging::inbox;
use std::collections::{BTreeMap, BTreeSet};
use store::Conn;
use time::OffsetDateTime;
use types::messages::CommandIssued;
use types::messages::command::IssuedCommand;
use types::{Action, AgentId, RunId};
use uuid::Uuid;

/// Says why commands of MIG agents fail where they cannot be sent.
const NO_BROKER: &str =
    "agent-gateway has no broker for MIG's agents: give it WRIT_AGENT_GATEWAY_MIG_AMQP_URL";

impl App {
    /// Puts commands into the mailbox and wakes the polls that wait for them. A command whose agent is unknown, was
    /// revoked or cannot be reached comes back as failed at once.
    pub(crate) async fn accept_commands(
        &self,
        consumer: &str,
        messages: &[(Uuid, CommandIssued)],
        traces: &BTreeMap<Uuid, &str>,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let ids: Vec<Uuid> = messages.iter().map(|(id, _)| *id).collect();
        let agents = self
            .store
            .tx(async |conn| {
                let new = inbox::admit(conn, consumer, &ids, now).await?;
                let new = || messages.iter().filter(|(id, _)| new.contains(id));
                let wanted: BTreeSet<AgentId> =
                    new().flat_map(|(_, message)| open(message)).map(|it| it.agent).collect();
                let wanted: Vec<AgentId> = wanted.into_iter().collect();
                let employable: BTreeSet<AgentId> =
                    agents::agents_employ(conn, &wanted).await?.into_iter().collect();
                let mut agents = BTreeSet::new();
                for (action, issued) in by_action(new()) {
                    mailbox::mailbox_lock(conn, action).await?;
                    for (id, message) in issued {
                        let accepted = self.accept_message(conn, message, &employable, now);
                        agents.extend(accepted.await?);
                        if let Some(trace) = traces.get(id) {
                            mailbox::document_keep_trace(conn, action, trace).await?;
                        }
                    }
                }
                Ok::<_, Error>(agents)
            })
            .await?;
        self.bus.wake();
        self.doors.ring(agents);
        self.mig.wake();
        Ok(())
    }

    async fn accept_message(
        &self,
        conn: &mut Conn,
        message: &CommandIssued,
        employable: &BTreeSet<AgentId>,
        now: OffsetDateTime,
    ) -> Result<Vec<AgentId>, Error> {
        let operations = count_operations(message)?;
        let columns =
            i32::try_from(operations).map_err(|error| Error::Message(error.to_string()))?;
        let document = (message.document.as_str(), message.expire_after);
        let (text, expires) = document;
        mailbox::document_insert(conn, message.action, text, columns, expires, message.at).await?;
        let (mail, lost): (Vec<&IssuedCommand>, Vec<&IssuedCommand>) =
            open(message).partition(|command| employable.contains(&command.agent));
        let wanted: Vec<AgentId> = mail.iter().map(|command| command.agent).collect();
        let mut impossible = find_impossible(conn, &message.document, &wanted).await?;
        if !self.config.speaks_mig() {
            let unreached = mig_agents::agents_mig(conn, &wanted).await?;
            impossible.extend(unreached.into_iter().map(|agent| (agent, NO_BROKER.to_owned())));
        }
        let (hopeless, mail): (Vec<&IssuedCommand>, Vec<&IssuedCommand>) =
            mail.into_iter().partition(|command| impossible.contains_key(&command.agent));
        let mail: Vec<NewMail> = mail
            .into_iter()
            .map(|command| NewMail {
                command: command.id,
                agent: command.agent,
                run: RunId(Uuid::now_v7()),
            })
            .collect();
        mailbox::mailbox_insert(conn, message.action, &mail, now).await?;
        let lost_of = |command: &IssuedCommand| Lost {
            command: command.id,
            action: message.action,
            agent: command.agent,
            operations,
        };
        let mut reasons = BTreeMap::<&str, Vec<Lost>>::new();
        for command in hopeless {
            let Some(reason) = impossible.get(&command.agent) else { continue };
            reasons.entry(reason).or_default().push(lost_of(command));
        }
        for (reason, lost) in reasons {
            self.bus.put_all(conn, now, &failed(&lost, reason, now)).await?;
        }
        let lost: Vec<Lost> = lost.into_iter().map(lost_of).collect();
        let reason = "the agent is unknown to agent-gateway or was revoked";
        self.bus.put_all(conn, now, &failed(&lost, reason, now)).await?;
        Ok(mail.into_iter().map(|new| new.agent).collect())
    }
}

/// Gives the commands that are for the agents: the scheduler has failed some itself.
fn open(message: &CommandIssued) -> impl Iterator<Item = &IssuedCommand> {
    message.commands.iter().filter(|command| command.failed.is_none())
}

/// Groups messages by action, so that all replicas lock actions in one order.
fn by_action<'a>(
    messages: impl Iterator<Item = &'a (Uuid, CommandIssued)>,
) -> BTreeMap<types::ActionId, Vec<&'a (Uuid, CommandIssued)>> {
    let mut grouped = BTreeMap::<_, Vec<_>>::new();
    for message in messages {
        grouped.entry(message.1.action).or_default().push(message);
    }
    grouped
}

fn count_operations(message: &CommandIssued) -> Result<usize, Error> {
    let wrong =
        |what: String| Error::Message(format!("the document of action {} {what}", message.action));
    if message.document.contains('\0') {
        return Err(wrong("holds a NUL character".into()));
    }
    let action = Action::parse(message.document.as_bytes())
        .map_err(|error| wrong(format!("is wrong: {error}")))?;
    Ok(action.operations.map_or(0, |operations| operations.len()))
}
