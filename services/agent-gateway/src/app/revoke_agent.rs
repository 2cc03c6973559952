//! A person ends an agent.

use super::App;
use super::end_leases::failed;
use crate::error::Error;
use crate::store::{agents, leases, tasks, tokens};
use types::AgentUid;

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
                tokens::tokens_revoke(conn, number, now).await?;
                agents::agent_revoke(conn, number, now).await?;
                let lost = leases::mailbox_abandon(conn, number).await?;
                tasks::tasks_abandon(conn, number, true, now).await?;
                self.bus
                    .put_all(
                        conn,
                        now,
                        &failed(&lost, "the agent was revoked before it answered", now),
                    )
                    .await?;
                self.publish_agent(conn, number, now).await?;
                Ok::<_, Error>(Some(number))
            })
            .await?;
        let Some(number) = revoked else { return Ok(()) };
        self.bus.wake();
        self.doors.ring([number]);
        tracing::info!(agent.id = %id, "agent revoked");
        Ok(())
    }
}
