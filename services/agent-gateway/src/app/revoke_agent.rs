//! A person ends an agent.

use super::App;
use super::end_leases::failed;
use crate::error::Error;
use crate::store::{agents, leases, mig_machines, tasks, tokens};
use store::Conn;
use time::OffsetDateTime;
use types::{AgentId, AgentUid, Transport};

impl App {
    /// Revokes an agent's tokens for good and fails the commands that it has not answered; of a MIG agent all processes
    /// of its machine. Doing it again changes nothing.
    pub(crate) async fn revoke_agent(&self, id: AgentUid) -> Result<(), Error> {
        let now = self.clock.now();
        let revoked = self
            .store
            .tx(async |conn| {
                let found = agents::agent_by_id(conn, id).await?.ok_or(Error::NotFound("agent"))?;
                let is_mig = found.transport == Transport::Mig;
                if is_mig {
                    // with the row itself, which may be an old one: all of a machine are locked in one order
                    mig_machines::mig_machine_lock(conn, &found.queueloc, found.number).await?;
                }
                let locked = agents::agent_lock(conn, id).await?;
                let (number, was_revoked) = locked.ok_or(Error::NotFound("agent"))?;
                if was_revoked {
                    return Ok(None);
                }
                let (mut revoked, mut rows) = (vec![number], vec![number]);
                if is_mig {
                    let machine = mig_machines::mig_machine_rows(conn, &found.queueloc).await?;
                    let open = |row: &&(AgentId, bool)| row.1 && row.0 != number;
                    revoked.extend(machine.iter().filter(open).map(|(number, _)| *number));
                    rows = machine.into_iter().map(|(number, _)| number).collect();
                }
                let reason = "the agent was revoked before it answered";
                self.revoke_held(conn, &revoked, &rows, reason, now).await?;
                Ok::<_, Error>(Some(revoked))
            })
            .await?;
        let Some(revoked) = revoked else { return Ok(()) };
        self.bus.wake();
        self.doors.ring(revoked);
        tracing::info!(agent.id = %id, "agent revoked");
        Ok(())
    }

    /// Revokes agents that are locked, and fails what waits for `rows`: these agents, and those that their machine had
    /// before.
    pub(super) async fn revoke_held(
        &self,
        conn: &mut Conn,
        agents: &[AgentId],
        rows: &[AgentId],
        reason: &str,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        for number in agents {
            tokens::tokens_revoke(conn, *number, now).await?;
            agents::agent_revoke(conn, *number, now).await?;
        }
        let lost = leases::mailbox_abandon(conn, rows).await?;
        for number in agents {
            tasks::tasks_abandon(conn, *number, true, now).await?;
        }
        self.bus.put_all(conn, now, &failed(&lost, reason, now)).await?;
        self.publish_agents(conn, agents, now).await
    }
}
