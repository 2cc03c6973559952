//! The middle: one method per thing that can be done, one transaction each.

pub(crate) mod accept_commands;
pub(crate) mod add_agent;
pub(crate) mod announce_seen;
pub(crate) mod answer_poll;
pub(crate) mod authenticate_agent;
pub(crate) mod change_agent;
pub(crate) mod decide_code;
pub(crate) mod describe_agent;
pub(crate) mod doors;
pub(crate) mod end_leases;
pub(crate) mod end_tasks;
pub(crate) mod fade_agents;
pub(crate) mod hear_agents;
pub(crate) mod list;
pub(crate) mod make_task;
pub(crate) mod meters;
pub(crate) mod name_agents;
pub(crate) mod offer_tasks;
pub(crate) mod patience;
pub(crate) mod poll_token;
pub(crate) mod publish_plugin;
pub(crate) mod purge;
pub(crate) mod push_commands;
pub(crate) mod record_mig_results;
pub(crate) mod record_returns;
pub(crate) mod record_run;
pub(crate) mod request_code;
pub(crate) mod resend_agents;
pub(crate) mod revoke_agent;
pub(crate) mod room;
pub(crate) mod secret;
pub(crate) mod seen;
pub(crate) mod sign_in;
pub(crate) mod together;
pub(crate) mod withdraw_commands;
pub(crate) mod write_seen;

use crate::config::Config;
use crate::domain::agent::Agent;
use crate::error::Error;
use crate::mig::Mig;
use crate::store::mig_machines::Leavings;
use crate::store::offers::{Look, Offer};
use crate::store::tokens::Known;
use crate::store::{agents, loaders, mig_machines};
use answer_poll::{Lease, Question};
use auth::Replica;
use doors::Doors;
use fade_agents::Since;
use messaging::Bus;
use record_returns::Asked;
use record_run::{Grown, Ran};
use room::Shares;
use seen::Seen;
use service::{Parts, Shutdown, Tasks};
use std::sync::Arc;
use std::time::Duration;
use store::{Conn, Store};
use time::OffsetDateTime;
use together::Together;
use tokio::sync::Semaphore;
use types::api::work::Receipts;
use types::messages::AgentChanged;
use types::{AgentId, AskId, Clock};

/// How many bytes of small answers are taken in at a time.
const SMALL_ROOM: u32 = 32 << 20;

fn kib(bytes: u32) -> usize {
    usize::try_from(bytes / 1_024).unwrap_or(usize::MAX)
}

/// Does what the service is for.
pub struct App {
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) replica: Replica,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) doors: Doors,
    pub(crate) seen: Seen,
    /// Since when agents are heard and that is stored: whom nobody could hear was not silent.
    hearing: Since,
    /// The same of MIG's broker.
    mig_hearing: Since,
    /// Since when the commands of MIG's agents can be read.
    mailbox: Since,
    /// Who shows these tokens?
    tokens: Together<[u8; 32], Option<Known>>,
    /// What have these RunbookSolutions agents to run?
    looks: Together<AgentId, Look>,
    /// Is there work for these agents?
    due: Together<AgentId, bool>,
    /// Let these agents have their work.
    leases: Together<Question, Vec<Lease>>,
    /// What were these agents let have that had no answer?
    asked: Together<(AgentId, AskId), Vec<Lease>>,
    /// Keep what these agents answer.
    returns: Together<Asked, Result<Receipts, Error>>,
    /// Let these RunbookSolutions agents have their tasks.
    offers: Together<AgentId, Result<Vec<Offer>, Error>>,
    /// Keep what these RunbookSolutions agents ran.
    runs: Together<Ran, Result<bool, Error>>,
    grown: Grown,
    /// The way to MIG's agents.
    pub(crate) mig: Mig,
    /// Counts the KiB of large answers that may still be taken in.
    pub(crate) room: Arc<Semaphore>,
    /// The same for small ones, so that they never wait for large ones that come slowly.
    pub(crate) small_room: Arc<Semaphore>,
    /// Counts the KiB that answers may still take when they are taken apart.
    pub(crate) desk: Arc<Semaphore>,
    /// What each agent may take of all this.
    pub(crate) shares: Shares,
    tasks: Tasks,
    shutdown: Shutdown,
    /// How long after that requests may take.
    grace: Duration,
}

impl App {
    pub(crate) fn new(parts: Parts, config: Config, mig: Mig) -> Self {
        Self {
            store: parts.store,
            bus: parts.bus,
            replica: parts.replica,
            hearing: Since::new(parts.clock.now()),
            mig_hearing: Since::new(parts.clock.now()),
            mailbox: Since::new(parts.clock.now()),
            clock: parts.clock,
            room: Arc::new(Semaphore::new(kib(config.answers_in_flight))),
            small_room: Arc::new(Semaphore::new(kib(SMALL_ROOM))),
            desk: Arc::new(room::desk(config.answers_in_flight)),
            shares: Shares::default(),
            config,
            doors: Doors::default(),
            seen: Seen::default(),
            tokens: Together::default(),
            looks: Together::default(),
            due: Together::default(),
            leases: Together::default(),
            asked: Together::default(),
            returns: Together::default(),
            offers: Together::default(),
            runs: Together::default(),
            grown: Grown::default(),
            mig,
            tasks: parts.tasks,
            shutdown: parts.shutdown,
            grace: parts.grace,
        }
    }

    /// Gives the queue locations behind `after` of MIG agents that went away and whose rows are still kept.
    pub(crate) async fn find_gone_queues(
        &self,
        after: &str,
        limit: i64,
    ) -> Result<Vec<String>, Error> {
        let mut conn = self.store.get().await?;
        Ok(mig_machines::mig_queues_gone(&mut conn, after, self.clock.now(), limit).await?)
    }

    /// Tells what is left of a queue location when nobody of it is there.
    pub(crate) async fn find_leavings(&self, queueloc: &str) -> Result<Option<Leavings>, Error> {
        let mut conn = self.store.get().await?;
        Ok(mig_machines::mig_leavings(&mut conn, queueloc, self.clock.now()).await?)
    }

    /// Tells the house of these agents as they are now; to be called in the transaction that changed them.
    async fn publish_agents(
        &self,
        conn: &mut Conn,
        numbers: &[AgentId],
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        if numbers.is_empty() {
            return Ok(());
        }
        loaders::agents_name(conn, numbers).await?;
        let agents = agents::agents_by_number(conn, numbers).await?;
        let changed: Vec<AgentChanged> = agents.into_iter().map(Agent::changed).collect();
        self.bus.put_all(conn, now, &changed).await?;
        Ok(())
    }

    /// Tells the house of one agent as it is now, and gives it.
    async fn publish_agent(
        &self,
        conn: &mut Conn,
        number: AgentId,
        now: OffsetDateTime,
    ) -> Result<Agent, Error> {
        loaders::agents_name(conn, &[number]).await?;
        let found = agents::agents_by_number(conn, &[number]).await?;
        let agent = found.into_iter().next().ok_or(Error::NotFound("agent"))?;
        self.bus.put(conn, now, &agent.clone().changed()).await?;
        Ok(agent)
    }
}
