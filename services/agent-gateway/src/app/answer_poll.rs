//! An agent asks for work and waits for it.

use super::App;
use crate::error::Error;
use crate::store::leases::{self, Leased};
use crate::store::{agents, mig_mail};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use types::api::work::{Work, WorkItem};
use types::messages::CommandDelivered;
use types::messages::command::DeliveredCommand;
use types::{AgentId, RunId};

/// How much one answer carries; documents are below 1 MiB each.
const AT_ONCE: i64 = 16;

/// Is leased work with its action's document.
pub(super) type Lease = (Leased, Arc<str>);

impl App {
    /// Leases the agent's work, waiting up to `wait` for the first of it. The leases of what it `holds` go on: work
    /// that takes long is not given up while its agent says that it is at it.
    pub(crate) async fn answer_poll(
        self: &Arc<Self>,
        agent: AgentId,
        wait: Duration,
        holds: &[RunId],
    ) -> Result<Work, Error> {
        let deadline = Instant::now() + wait;
        if !holds.is_empty() {
            let terms = self.terms();
            // half of a lease is enough for many polls, and few write
            let late = terms.now + self.config.lease / 2;
            let hold = async {
                leases::mailbox_hold(&mut *self.store.get().await?, agent, holds, terms, late)
                    .await?;
                Ok::<_, Error>(())
            };
            Box::pin(hold).await?;
        }
        let guest = self.doors.wait(agent);
        loop {
            let mut rung = pin!(guest.bell().notified());
            // from here on no ring is lost, also while we look
            rung.as_mut().enable();
            // on the heap, and gone again: what a poll takes while it waits is what thousands of them take
            let items = Box::pin(self.lease_work(agent)).await?;
            if !items.is_empty() {
                return Ok(Work { items });
            }
            tokio::select! {
                () = rung => Box::pin(self.check_not_revoked(agent)).await?,
                () = sleep_until(deadline) => return Ok(Work { items }),
                () = self.shutdown.wait() => return Ok(Work { items }),
            }
        }
    }

    /// Leases what waits for the agent and tells the house of what it had not taken before; together with what others
    /// ask at the same time.
    async fn lease_work(self: &Arc<Self>, agent: AgentId) -> Result<Vec<WorkItem>, Error> {
        let terms = self.terms();
        let look = |agents: Vec<AgentId>| {
            let store = self.store.clone();
            async move {
                let due = leases::mailbox_ring(&mut *store.get().await?, &agents, terms).await?;
                Ok(agents.iter().map(|agent| due.contains(agent)).collect())
            }
        };
        if !self.due.ask(&self.tasks, agent, look).await? {
            return Ok(Vec::new());
        }
        let lease = |agents: Vec<AgentId>| {
            let app = Arc::clone(self);
            async move { app.lease_to(&agents).await }
        };
        let leased = self.leases.ask(&self.tasks, agent, lease).await?;
        let items = leased.into_iter().map(|(work, document)| WorkItem {
            run: work.run,
            action: work.action,
            document: document.as_ref().to_owned(),
            leased_until: work.until,
        });
        Ok(items.collect())
    }

    /// Leases what waits for these agents; one that asks twice at a time is given its work once.
    async fn lease_to(&self, agents: &[AgentId]) -> Result<Vec<Vec<Lease>>, Error> {
        let terms = self.terms();
        let each: Vec<AgentId> =
            agents.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let (leased, documents) = self
            .store
            .tx(async |conn| {
                let leased = leases::mailbox_lease(conn, &each, terms, AT_ONCE).await?;
                let first = leased.iter().filter(|work| work.attempts == 1);
                let commands: Vec<_> = first
                    .map(|work| DeliveredCommand {
                        id: work.command,
                        action: Some(work.action),
                        at: terms.now,
                    })
                    .collect();
                self.bus.put_all(conn, terms.now, &CommandDelivered::many(&commands)).await?;
                let actions: BTreeSet<i64> = leased.iter().map(|work| work.action.0).collect();
                let actions: Vec<i64> = actions.into_iter().collect();
                // once, however many agents an action has
                let documents = mig_mail::documents_find(conn, &actions).await?;
                Ok::<_, Error>((leased, documents))
            })
            .await?;
        self.bus.wake();
        let documents: BTreeMap<i64, Arc<str>> =
            documents.into_iter().map(|document| (document.action, document.text.into())).collect();
        let mut given = BTreeMap::<AgentId, Vec<Lease>>::new();
        for work in leased {
            if let Some(document) = documents.get(&work.action.0) {
                given.entry(work.agent).or_default().push((work, Arc::clone(document)));
            }
        }
        Ok(agents.iter().map(|agent| given.remove(agent).unwrap_or_default()).collect())
    }

    async fn check_not_revoked(&self, agent: AgentId) -> Result<(), Error> {
        let admitted = agents::agent_is_admitted(&mut *self.store.get().await?, agent).await?;
        if admitted { Ok(()) } else { Err(Error::Token) }
    }

    /// Wakes the polls that wait here for work which another replica took in, or whose agent was revoked there. One
    /// question for all of them: a second costs the same however many wait.
    pub async fn ring_doors(&self) -> Result<(), Error> {
        let waiting = self.doors.waiting();
        if waiting.is_empty() {
            return Ok(());
        }
        let due =
            leases::mailbox_ring(&mut *self.store.get().await?, &waiting, self.terms()).await?;
        self.doors.ring(due);
        Ok(())
    }
}
