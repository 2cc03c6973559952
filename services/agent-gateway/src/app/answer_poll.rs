//! An agent asks for work and waits for it.

use super::App;
use crate::error::Error;
use crate::store::leases::{self, Leased};
use crate::store::{agents, mig_mail};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use store::Conn;
use tokio::time::{Instant, sleep_until};
use types::api::work::{Work, WorkItem};
use types::messages::CommandDelivered;
use types::messages::command::DeliveredCommand;
use types::{AgentId, AskId, RunId};

/// How much one answer carries; documents are below 1 MiB each.
const AT_ONCE: i64 = 16;

/// Is leased work with its action's document.
pub(super) type Lease = (Leased, Arc<str>);

/// Is who asks, and under which name.
pub(super) type Question = (AgentId, Option<AskId>);

/// Is what an agent calls its question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// The question's name.
    pub id: AskId,
    /// Whether the agent asked it before and had no answer.
    pub again: bool,
}

impl App {
    /// Leases the agent's work, waiting up to `wait` for the first of it. The leases of what it `holds` go on: work
    /// that takes long is not given up while its agent says that it is at it. One that asks `again` is given what was
    /// leased to it when it asked before, however that answer was lost.
    pub(crate) async fn answer_poll(
        self: &Arc<Self>,
        agent: AgentId,
        wait: Duration,
        holds: &[RunId],
        ask: Option<Ask>,
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
            let items = Box::pin(self.find_work(agent, ask)).await?;
            if !items.is_empty() {
                return Ok(Work { items });
            }
            tokio::select! {
                () = rung => Box::pin(self.check_not_revoked(agent)).await?,
                () = sleep_until(deadline) => break,
                () = self.shutdown.wait() => break,
            }
        }
        // another replica may have been at what the agent asked first
        Ok(Work { items: Box::pin(self.find_asked(agent, ask)).await? })
    }

    /// Finds what was leased to the agent when it asked before, or leases what waits for it.
    async fn find_work(
        self: &Arc<Self>,
        agent: AgentId,
        ask: Option<Ask>,
    ) -> Result<Vec<WorkItem>, Error> {
        let asked = self.find_asked(agent, ask).await?;
        if !asked.is_empty() {
            return Ok(asked);
        }
        let leased = self.lease_work((agent, ask.map(|ask| ask.id))).await?;
        // it may have asked first on a line that is dead and that we wait on still: that was given some of it
        let all = self.find_asked(agent, ask).await?;
        Ok(if all.is_empty() { leased } else { all })
    }

    /// Finds what was leased to the agent when it asked before; asks the database only when it did.
    async fn find_asked(
        self: &Arc<Self>,
        agent: AgentId,
        ask: Option<Ask>,
    ) -> Result<Vec<WorkItem>, Error> {
        let Some(Ask { id, again: true }) = ask else { return Ok(Vec::new()) };
        let look = |asks: Vec<(AgentId, AskId)>| {
            let app = Arc::clone(self);
            async move { app.leased_to(&asks).await }
        };
        Ok(items(self.asked.ask(&self.tasks, (agent, id), look).await?))
    }

    /// Leases what waits for the agent and tells the house of what it had not taken before; together with what others
    /// ask at the same time.
    async fn lease_work(self: &Arc<Self>, question: Question) -> Result<Vec<WorkItem>, Error> {
        let terms = self.terms();
        let look = |agents: Vec<AgentId>| {
            let store = self.store.clone();
            async move {
                let due = leases::mailbox_ring(&mut *store.get().await?, &agents, terms).await?;
                Ok(agents.iter().map(|agent| due.contains(agent)).collect())
            }
        };
        if !self.due.ask(&self.tasks, question.0, look).await? {
            return Ok(Vec::new());
        }
        let lease = |questions: Vec<Question>| {
            let app = Arc::clone(self);
            async move { app.lease_to(&questions).await }
        };
        Ok(items(self.leases.ask(&self.tasks, question, lease).await?))
    }

    /// Leases what waits for these agents; one that asks twice at a time is given its work once, for what came first.
    async fn lease_to(&self, questions: &[Question]) -> Result<Vec<Vec<Lease>>, Error> {
        let terms = self.terms();
        let mut first = BTreeMap::new();
        for (agent, ask) in questions {
            first.entry(*agent).or_insert(*ask);
        }
        let given = self
            .store
            .tx(async |conn| {
                let asks = first.iter().map(|(agent, ask)| (*agent, *ask));
                let leased = leases::mailbox_lease(conn, asks, terms, AT_ONCE).await?;
                let first = leased.iter().filter(|work| work.attempts == 1);
                let commands: Vec<_> = first
                    .map(|work| DeliveredCommand {
                        id: work.command,
                        action: Some(work.action),
                        at: terms.now,
                    })
                    .collect();
                self.bus.put_all(conn, terms.now, &CommandDelivered::many(&commands)).await?;
                with_documents(conn, leased).await
            })
            .await?;
        self.bus.wake();
        let mut of_agent = HashMap::<AgentId, Vec<Lease>>::new();
        for lease in given {
            of_agent.entry(lease.0.agent).or_default().push(lease);
        }
        let given = questions.iter().map(|(agent, _)| of_agent.remove(agent).unwrap_or_default());
        Ok(given.collect())
    }

    /// Gives what is leased to these questions as it is; one that is asked twice at a time is answered twice.
    async fn leased_to(&self, asks: &[(AgentId, AskId)]) -> Result<Vec<Vec<Lease>>, Error> {
        let each: BTreeSet<(AgentId, AskId)> = asks.iter().copied().collect();
        let conn = &mut *self.store.get().await?;
        // a question that was at work twice was given as much twice
        let leased = leases::mailbox_asked(conn, each, self.clock.now(), 2 * AT_ONCE).await?;
        let mut of_ask = HashMap::<Question, Vec<Lease>>::new();
        for lease in with_documents(conn, leased).await? {
            of_ask.entry((lease.0.agent, lease.0.asked)).or_default().push(lease);
        }
        let given = asks.iter().map(|(agent, ask)| of_ask.get(&(*agent, Some(*ask))));
        Ok(given.map(|given| given.cloned().unwrap_or_default()).collect())
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

/// Adds the documents: each is read once, however many agents its action has.
async fn with_documents(conn: &mut Conn, leased: Vec<Leased>) -> Result<Vec<Lease>, Error> {
    if leased.is_empty() {
        return Ok(Vec::new());
    }
    let actions: BTreeSet<i64> = leased.iter().map(|work| work.action.0).collect();
    let actions: Vec<i64> = actions.into_iter().collect();
    let documents = mig_mail::documents_find(conn, &actions).await?;
    let documents: BTreeMap<i64, Arc<str>> =
        documents.into_iter().map(|document| (document.action, document.text.into())).collect();
    let given = leased.into_iter().filter_map(|work| {
        let document = documents.get(&work.action.0)?;
        Some((work, Arc::clone(document)))
    });
    Ok(given.collect())
}

fn items(leased: Vec<Lease>) -> Vec<WorkItem> {
    let items = leased.into_iter().map(|(work, document)| WorkItem {
        run: work.run,
        action: work.action,
        document: document.as_ref().to_owned(),
        leased_until: work.until,
    });
    items.collect()
}
