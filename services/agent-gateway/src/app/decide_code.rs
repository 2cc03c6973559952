//! A person admits a device, or refuses it.

use super::App;
use crate::domain::agent::{Agent, check_approval};
use crate::domain::user_code::UserCode;
use crate::error::Error;
use crate::store::codes::PendingRow;
use crate::store::{agents, codes, plugins, runbook, teams};
use store::Conn;
use time::OffsetDateTime;
use types::api::device::Approval;
use types::api::problem::Fault;
use types::{AgentUid, InvestigatorId, PluginId, TeamId};
use uuid::Uuid;

impl App {
    /// Admits the device that shows `code` and makes it an agent. Nothing is issued yet: the device fetches its token.
    pub(crate) async fn approve_code(
        &self,
        code: &str,
        approval: Approval,
        by: InvestigatorId,
    ) -> Result<Agent, Error> {
        let faults = check_approval(&approval);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let code = UserCode::parse(code).ok_or(Error::NotFound("device code"))?;
        let now = self.clock.now();
        let agent = self
            .store
            .tx(async |conn| {
                let PendingRow { sha256, address } = lock_pending(conn, &code, now).await?;
                let address = self.take_address(conn, address, now).await?;
                check_team(conn, approval.team_id).await?;
                check_plugins(conn, "/plugins", &approval.plugins).await?;
                let new = Agent::enrolled(AgentUid(Uuid::now_v7()), approval, address, now);
                let number = agents::agent_insert(conn, &new).await?;
                agents::agent_add_plugins(conn, number, &new.plugins, true).await?;
                codes::code_decide(conn, &sha256, Some(number), by).await?;
                self.publish_agent(conn, number, now).await
            })
            .await?;
        self.bus.wake();
        tracing::info!(agent.id = %agent.id, agent.name = agent.name, investigator.id = %by, "device approved");
        Ok(agent)
    }

    /// Refuses the device that shows `code`.
    pub(crate) async fn deny_code(&self, code: &str, by: InvestigatorId) -> Result<(), Error> {
        let code = UserCode::parse(code).ok_or(Error::NotFound("device code"))?;
        let now = self.clock.now();
        self.store
            .tx(async |conn| {
                let PendingRow { sha256, .. } = lock_pending(conn, &code, now).await?;
                codes::code_decide(conn, &sha256, None, by).await?;
                Ok::<_, Error>(())
            })
            .await?;
        tracing::info!(investigator.id = %by, "device denied");
        Ok(())
    }
}

impl App {
    /// Gives a device the address that it asked from, where agents are known by address; whichever agent had it, has it
    /// no more: who enrols from there is there.
    async fn take_address(
        &self,
        conn: &mut Conn,
        address: String,
        now: OffsetDateTime,
    ) -> Result<Option<String>, Error> {
        if !self.config.knows_addresses() {
            return Ok(None);
        }
        let released = runbook::address_release(conn, &address).await?;
        self.publish_agents(conn, &released, now).await?;
        Ok(Some(address))
    }
}

async fn lock_pending(
    conn: &mut Conn,
    code: &UserCode,
    now: OffsetDateTime,
) -> Result<PendingRow, Error> {
    match codes::code_lock(conn, code, now).await? {
        None => Err(Error::NotFound("device code")),
        Some((row, state)) if state == "pending" => Ok(row),
        Some(_) => Err(Error::Conflict {
            code: "already-decided",
            detail: "the device code was decided already",
        }),
    }
}

/// Refuses a team that does not exist.
pub(super) async fn check_team(conn: &mut Conn, team: Option<TeamId>) -> Result<(), Error> {
    let Some(team) = team else { return Ok(()) };
    if teams::team_exists(conn, team).await? {
        return Ok(());
    }
    let fault = Fault { pointer: "/team_id".into(), detail: "is not the id of a team".into() };
    Err(Error::Invalid(vec![fault]))
}

/// Refuses plugins that do not exist, pointing at each below `pointer`.
pub(super) async fn check_plugins(
    conn: &mut Conn,
    pointer: &str,
    wanted: &[PluginId],
) -> Result<(), Error> {
    let known = plugins::plugins_known(conn, wanted).await?;
    let unknown = wanted.iter().enumerate().filter(|(_, id)| !known.contains(id));
    let faults: Vec<_> = unknown
        .map(|(at, id)| Fault {
            pointer: format!("{pointer}/{at}"),
            detail: format!("{id} is not the id of a plugin"),
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}
