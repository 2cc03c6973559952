//! Agents that are not heard any more.

use super::App;
use crate::config::Config;
use crate::error::Error;
use crate::store::agents::{self, Before};
use std::time::Duration;
use types::AgentStatus;

/// Bounds how long one transaction holds its locks.
const AT_ONCE: i64 = 200;
/// So many heartbeats of a MIG agent are missed before it is idle (specs/mig/scheduler-agent.md §5).
const MISSED: u32 = 5;

impl App {
    /// Marks silent agents: idle ones offline first, then online ones idle, so that an agent is idle for a while before
    /// it is gone (specs/mig/scheduler-agent.md §5).
    pub async fn fade_agents(&self) -> Result<(), Error> {
        let Config { idle_after, offline_after, runbook_offline_after, mig_timeout, .. } =
            self.config;
        let offline = [offline_after, runbook_offline_after.max(idle_after), mig_timeout];
        self.fade(AgentStatus::Idle, AgentStatus::Offline, offline).await?;
        let idle = [idle_after, idle_after, self.config.mig_heartbeat * MISSED];
        self.fade(AgentStatus::Online, AgentStatus::Idle, idle).await
    }

    async fn fade(
        &self,
        from: AgentStatus,
        to: AgentStatus,
        [writ, runbook, mig]: [Duration; 3],
    ) -> Result<(), Error> {
        loop {
            let now = self.clock.now();
            let before = Before { writ: now - writ, runbook: now - runbook, mig: now - mig };
            let count = self
                .store
                .tx(async |conn| {
                    let faded = agents::agents_fade(conn, (from, to), before, AT_ONCE).await?;
                    self.publish_agents(conn, &faded, now).await?;
                    Ok::<_, Error>(faded.len())
                })
                .await?;
            if count > 0 {
                self.bus.wake();
            }
            if i64::try_from(count).is_ok_and(|count| count < AT_ONCE) {
                return Ok(());
            }
        }
    }
}
