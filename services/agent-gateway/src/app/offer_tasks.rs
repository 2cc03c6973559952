//! A RunbookSolutions agent asks what it has to run.

use super::App;
use super::end_leases::failed;
use crate::domain::operations::Plan;
use crate::error::Error;
use crate::store::leases::{Lost, Terms};
use crate::store::offers::{self, Look, Offer, WaitingMail};
use crate::store::tasks::{self, NewTaskRow};
use crate::store::tokens::Known;
use crate::store::{agents, runbook};
use std::collections::BTreeMap;
use store::Conn;
use types::messages::CommandDelivered;
use types::messages::command::DeliveredCommand;
use types::{AgentId, CommandId, TaskId};
use uuid::Uuid;

/// How many tasks that run once one answer carries; the rest comes a sync later.
const AT_ONCE: i64 = 64;
/// How many commands of signed actions become tasks at once.
const MAIL_AT_ONCE: i64 = 16;

impl App {
    /// Gives an agent its tasks: those by the clock each time, those that run once under a lease. Nothing is written
    /// when there is nothing new.
    pub(crate) async fn offer_tasks(&self, agent: Known) -> Result<Vec<Offer>, Error> {
        let Known { number: agent, open: true, .. } = agent else { return Ok(Vec::new()) };
        let terms = self.task_terms();
        let look = async |agents: &[AgentId]| {
            let mut conn = self.store.get().await?;
            let looked = offers::tasks_look(&mut conn, agents, terms).await?;
            Ok(agents.iter().map(|agent| looked.get(agent).cloned().unwrap_or_default()).collect())
        };
        let Look { known, news } = self.looks.ask(agent, look).await?;
        if !news {
            return Ok(known);
        }
        let mut offered = self
            .store
            .tx(async |conn| {
                self.unpack_mail(conn, agent, terms).await?;
                Ok::<_, Error>(offers::tasks_offer(conn, agent, terms, AT_ONCE).await?)
            })
            .await?;
        self.bus.wake();
        offered.extend(known);
        offered.sort_by_key(|offer| offer.id);
        offered.dedup_by_key(|offer| offer.id);
        Ok(offered)
    }

    /// Says how tasks are handed out now.
    pub(super) fn task_terms(&self) -> Terms {
        let now = self.clock.now();
        Terms { now, until: now + self.config.task_lease, attempts: self.config.task_attempts }
    }

    /// Makes tasks of the commands of signed actions that wait for the agent, and fails those that it cannot do.
    async fn unpack_mail(
        &self,
        conn: &mut Conn,
        agent: AgentId,
        terms: Terms,
    ) -> Result<(), Error> {
        let mail = offers::mailbox_take(conn, agent, terms.now, MAIL_AT_ONCE).await?;
        if mail.is_empty() {
            return Ok(());
        }
        let found = agents::agents_by_number(conn, &[agent]).await?;
        let has = found.into_iter().next().map(|agent| agent.commands).unwrap_or_default();
        let mut delivered = Vec::new();
        for WaitingMail { command, action, document, operations } in mail {
            let plan = Plan::of(&document).and_then(|plan| match plan.lacking(&has) {
                Some(reason) => Err(reason),
                None => Ok(plan),
            });
            match plan {
                Ok(plan) => {
                    insert_steps(conn, agent, command, plan, terms).await?;
                    delivered.push(DeliveredCommand { id: command, at: terms.now });
                }
                Err(reason) => {
                    offers::mailbox_drop(conn, &[command]).await?;
                    let lost = Lost { command, action, agent, operations };
                    let messages = failed(&[lost], &reason, terms.now);
                    self.bus.put_all(conn, terms.now, &messages).await?;
                }
            }
        }
        if !delivered.is_empty() {
            self.bus.put(conn, terms.now, &CommandDelivered { commands: delivered }).await?;
        }
        Ok(())
    }
}

/// Says of which of these RunbookSolutions agents an action asks what they cannot do, and why; others are passed over.
pub(super) async fn find_impossible(
    conn: &mut Conn,
    document: &str,
    agents: &[AgentId],
) -> Result<BTreeMap<AgentId, String>, Error> {
    let runbook = runbook::agents_runbook(conn, agents).await?;
    if runbook.is_empty() {
        return Ok(BTreeMap::new());
    }
    let plan = Plan::of(document);
    let impossible = runbook.into_iter().filter_map(|(agent, has)| {
        let reason = match &plan {
            Ok(plan) => plan.lacking(&has)?,
            Err(reason) => reason.clone(),
        };
        Some((agent, reason))
    });
    Ok(impossible.collect())
}

async fn insert_steps(
    conn: &mut Conn,
    agent: AgentId,
    command: CommandId,
    plan: Plan,
    terms: Terms,
) -> Result<(), Error> {
    for (operation, step) in (0..).zip(plan.steps) {
        let new = NewTaskRow {
            id: TaskId(Uuid::now_v7()),
            agent,
            plugin: step.key.plugin,
            command: step.key.name,
            cron: None,
            arguments: step.arguments,
            created_by: None,
            mail: Some((command, operation)),
        };
        tasks::task_insert(conn, &new, terms.now).await?;
    }
    Ok(())
}
