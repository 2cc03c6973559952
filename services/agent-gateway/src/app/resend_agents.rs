//! A copy of the agents is new or stale and wants all of them.

use super::App;
use crate::domain::agent::Agent;
use crate::error::Error;
use crate::store::agents;
use types::AgentId;
use types::messages::AgentChanged;

const AT_ONCE: i64 = 200;

impl App {
    /// Tells the house of every agent as it is now, revoked ones too.
    pub(crate) async fn resend_agents(&self) -> Result<(), Error> {
        let mut after = Some(AgentId(0));
        while let Some(last) = after {
            let now = self.clock.now();
            after = self
                .store
                .tx(async |conn| {
                    let some = agents::agents_page(conn, None, last, AT_ONCE).await?;
                    let next = some.last().map(|agent| agent.number);
                    let changed: Vec<AgentChanged> = some.into_iter().map(Agent::changed).collect();
                    self.bus.put_all(conn, now, &changed).await?;
                    Ok::<_, Error>(next)
                })
                .await?;
            self.bus.wake();
        }
        Ok(())
    }
}
