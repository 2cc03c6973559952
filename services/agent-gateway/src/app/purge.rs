//! What nobody will ask for any more is removed.

use super::App;
use crate::error::Error;
use crate::store::{agents, codes, mailbox, mig_agents, plugins, runs, tasks};
use store::Conn;
use time::{Duration, OffsetDateTime};
use types::{AgentId, AgentUid};

const AT_ONCE: i64 = 5_000;
const FORSAKEN_AT_ONCE: i64 = 100;
/// How long tasks by the clock that their agents were told of are kept after they ended: one that comes once a year
/// goes on in agents 0.1.1 until they are started anew.
const ECHOES_KEPT: Duration = Duration::days(400);
/// How far back it is looked for tasks whose runs are to go: more than a process is ever down.
const LOOK_BACK: Duration = Duration::days(3);
/// How long rows of MIG agents that are gone are kept; the copies of the other services keep them as long.
const GONE_KEPT: Duration = Duration::days(30);

impl App {
    /// Removes dead device codes with the agents that never came of them, the mailbox of actions that ended long ago,
    /// and tasks that did.
    pub async fn purge(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let before = now - Duration::hours(self.config.keep_hours.into());
        while self.forsake_agents(FORSAKEN_AT_ONCE).await? == FORSAKEN_AT_ONCE {}
        let mut conn = self.store.get().await?;
        codes::codes_purge(&mut conn, now).await?;
        plugins::partings_purge(&mut conn, now).await?;
        self.trim_runs(&mut conn).await?;
        let mut removed = AT_ONCE;
        while removed >= AT_ONCE {
            let count = mailbox::mailbox_purge(&mut conn, before, AT_ONCE).await?;
            removed = i64::try_from(count).unwrap_or(AT_ONCE);
        }
        mailbox::documents_purge(&mut conn, before).await?;
        let mut removed = AT_ONCE;
        while removed >= AT_ONCE {
            let long_ago = before.min(now - ECHOES_KEPT);
            let count = tasks::tasks_purge(&mut conn, before, long_ago, AT_ONCE).await?;
            removed = i64::try_from(count).unwrap_or(AT_ONCE);
        }
        let mut removed = AT_ONCE;
        while removed >= AT_ONCE {
            let count = runs::runs_purge(&mut conn, before - LOOK_BACK, before, AT_ONCE).await?;
            removed = i64::try_from(count).unwrap_or(AT_ONCE);
        }
        Ok(())
    }

    /// Removes agents whose device never fetched its token in time; it asks for another code and is another agent then.
    /// Those that are known by an address need none. Gives how many codes were looked at.
    async fn forsake_agents(&self, limit: i64) -> Result<i64, Error> {
        let now = self.clock.now();
        let (codes, numbers) = self
            .store
            .tx(async |conn| {
                let agents = codes::codes_forsake(conn, now, limit).await?;
                let mut numbers = Vec::new();
                for agent in &agents {
                    numbers.extend(self.forsake(conn, *agent, now).await?);
                }
                Ok::<_, Error>((agents.len(), numbers))
            })
            .await?;
        if !numbers.is_empty() {
            self.bus.wake();
            tracing::info!(agents = numbers.len(), "agents removed that never fetched their token");
        }
        Ok(i64::try_from(codes).unwrap_or(limit))
    }

    /// Revokes an agent that was never heard, tells the house, and removes what is left of it.
    async fn forsake(
        &self,
        conn: &mut Conn,
        id: AgentUid,
        now: OffsetDateTime,
    ) -> Result<Option<AgentId>, Error> {
        let Some((number, _)) = agents::agent_lock(conn, id).await? else { return Ok(None) };
        let agent = agents::agent_by_id(conn, id).await?;
        if agent.is_none_or(|agent| agent.address.is_some()) {
            return Ok(None);
        }
        let reason = "the agent never came for its token";
        self.revoke_held(conn, &[number], &[number], reason, now).await?;
        agents::agent_remove(conn, number).await?;
        Ok(Some(number))
    }

    /// Removes the rows of MIG agents that are long gone.
    pub async fn forget_agents(&self) -> Result<(), Error> {
        let before = self.clock.now() - GONE_KEPT;
        let mut conn = self.store.get().await?;
        let mut removed = AT_ONCE;
        while removed >= AT_ONCE {
            let count = mig_agents::mig_agents_forget(&mut conn, before, AT_ONCE).await?;
            removed = i64::try_from(count).unwrap_or(AT_ONCE);
        }
        Ok(())
    }
}
