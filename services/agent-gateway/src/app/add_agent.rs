//! A person makes an agent that is known by its address: it needs no token.

use super::App;
use super::decide_code::{check_plugins, check_team};
use crate::domain::agent::{Agent, check_approval};
use crate::error::Error;
use crate::store::{agents, runbook};
use std::net::IpAddr;
use types::api::agent::NewAgent;
use types::api::device::Approval;
use types::api::problem::Fault;
use types::{AgentUid, InvestigatorId};
use uuid::Uuid;

impl App {
    /// Makes an agent for an address that no other agent has.
    pub(crate) async fn add_agent(
        &self,
        new: NewAgent,
        by: InvestigatorId,
    ) -> Result<Agent, Error> {
        if !self.config.knows_addresses() {
            return Err(Error::Conflict {
                code: "agents-have-tokens",
                detail: "agents prove who they are by tokens here: enrol this one by device code, or set WRIT_AGENT_AUTH=off",
            });
        }
        let NewAgent { name, address, team_id, plugins, tags } = new;
        let approval = Approval { name, team_id, plugins, tags };
        let mut faults = check_approval(&approval);
        let parsed = address.parse::<IpAddr>().map(|address| address.to_canonical());
        if parsed.is_err() {
            let detail = "is not an IP address".into();
            faults.push(Fault { pointer: "/address".into(), detail });
        }
        let Some(address) = parsed.ok().filter(|_| faults.is_empty()) else {
            return Err(Error::Invalid(faults));
        };
        let address = address.to_string();
        let now = self.clock.now();
        let agent = self
            .store
            .tx(async |conn| {
                if runbook::address_find(conn, &address).await?.is_some() {
                    return Err(Error::Conflict {
                        code: "address-taken",
                        detail: "another agent is known by this address; revoke it first",
                    });
                }
                check_team(conn, approval.team_id).await?;
                check_plugins(conn, "/plugins", &approval.plugins).await?;
                let id = AgentUid(Uuid::now_v7());
                let new = Agent::enrolled(id, approval, Some(address), now);
                let number = agents::agent_insert(conn, &new).await?;
                agents::agent_add_plugins(conn, number, &new.plugins, true).await?;
                self.publish_agent(conn, number, now).await
            })
            .await?;
        self.bus.wake();
        tracing::info!(agent.id = %agent.id, agent.name = agent.name, investigator.id = %by, "agent made by address");
        Ok(agent)
    }
}
