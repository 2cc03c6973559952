//! A person ends an agent.

use super::App;
use super::end_leases::failed;
use crate::error::Error;
use crate::store::{agents, leases, tasks, tokens};
use store::Conn;
use time::OffsetDateTime;
use types::{AgentId, AgentUid};

impl App {
    /// Revokes an agent's tokens for good and fails the commands that it has not answered. Doing it again changes
    /// nothing.
    pub(crate) async fn revoke_agent(&self, id: AgentUid) -> Result<(), Error> {
        let now = self.clock.now();
        let revoked = self
            .store
            .tx(async |conn| {
                let found = agents::agent_lock(conn, id).await?;
                let (number, was_revoked) = found.ok_or(Error::NotFound("agent"))?;
                if was_revoked {
                    return Ok(None);
                }
                let reason = "the agent was revoked before it answered";
                self.revoke_held(conn, number, reason, now).await?;
                Ok::<_, Error>(Some(number))
            })
            .await?;
        let Some(number) = revoked else { return Ok(()) };
        self.bus.wake();
        self.doors.ring([number]);
        tracing::info!(agent.id = %id, "agent revoked");
        Ok(())
    }

    /// Revokes an agent that is locked, and fails what waits for it.
    pub(super) async fn revoke_held(
        &self,
        conn: &mut Conn,
        number: AgentId,
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        tokens::tokens_revoke(conn, number, now).await?;
        agents::agent_revoke(conn, number, now).await?;
        let lost = leases::mailbox_abandon(conn, number).await?;
        tasks::tasks_abandon(conn, number, true, now).await?;
        self.bus.put_all(conn, now, &failed(&lost, reason, now)).await?;
        self.publish_agent(conn, number, now).await?;
        Ok(())
    }
}
