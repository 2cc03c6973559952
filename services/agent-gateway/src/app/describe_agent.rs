//! An agent tells what machine it runs on.

use super::App;
use crate::domain::agent::check_report;
use crate::error::Error;
use crate::store::agents::{self, Description};
use crate::store::presence;
use types::AgentId;
use types::api::work::AgentReport;

impl App {
    /// Stores how an agent describes itself; it is online from then on. The house is told only of what is new.
    pub(crate) async fn describe_agent(
        &self,
        agent: AgentId,
        report: AgentReport,
    ) -> Result<(), Error> {
        let faults = check_report(&report);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let now = self.clock.now();
        let environment = serde_json::to_value(report.environment)
            .map_err(|error| Error::Internal(error.into()))?;
        let new = Description { version: report.version, pid: report.pid.into(), environment };
        let changed = self
            .store
            .tx(async |conn| {
                let changed = agents::agent_describe(conn, agent, new, now).await?;
                if changed {
                    presence::presence_note(conn, &[(agent, now)]).await?;
                    self.publish_agents(conn, &[agent], now).await?;
                }
                Ok::<_, Error>(changed)
            })
            .await?;
        if changed {
            self.bus.wake();
        }
        Ok(())
    }
}
