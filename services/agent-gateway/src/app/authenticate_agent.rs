//! Who polls.

use super::{App, secret};
use crate::error::Error;
use crate::store::tokens::Known;
use crate::store::{presence, runbook, tokens};
use std::net::IpAddr;
use types::{AgentId, AgentStatus, Transport};

impl App {
    /// Finds the agent of an access token and notes that it was heard. The database is asked each time, for all who
    /// come at a time: a token that was revoked is dead with the next request.
    pub(crate) async fn authenticate_agent(&self, token: &str) -> Result<AgentId, Error> {
        let known = self.check_token(token).await?;
        self.heard(known);
        Ok(known.number)
    }

    /// Finds a RunbookSolutions agent by its access token, or by its address where agents are known by address.
    pub(crate) async fn authenticate_runbook(
        &self,
        token: Option<&str>,
        address: IpAddr,
    ) -> Result<Known, Error> {
        let known = match token {
            Some(token) => self.check_token(token).await?,
            None if self.config.knows_addresses() => {
                let mut conn = self.store.get().await?;
                let found = runbook::address_find(&mut conn, &address.to_string()).await?;
                found.ok_or(Error::Address)?
            }
            None => return Err(Error::Token),
        };
        if known.transport != Transport::Runbook {
            self.adopt_runbook(known.number).await?;
        }
        self.heard(known);
        Ok(known)
    }

    async fn check_token(&self, token: &str) -> Result<Known, Error> {
        let look = |hashes: Vec<[u8; 32]>| {
            let store = self.store.clone();
            async move {
                let found = tokens::tokens_find(&mut *store.get().await?, &hashes).await?;
                Ok(hashes.iter().map(|hash| found.get(hash).copied()).collect())
            }
        };
        self.tokens.ask(&self.tasks, secret::hash(token), look).await?.ok_or(Error::Token)
    }

    fn heard(&self, known: Known) {
        self.seen.note(known.number, self.clock.now(), known.status != AgentStatus::Online);
    }

    /// Notes, with its first word on their paths, that an agent is one of RunbookSolutions'.
    async fn adopt_runbook(&self, agent: AgentId) -> Result<(), Error> {
        let now = self.clock.now();
        let adopted = self
            .store
            .tx(async |conn| {
                let adopted = runbook::agent_adopt(conn, agent, now).await?;
                if adopted {
                    presence::presence_note(conn, &[(agent, now)]).await?;
                    self.publish_agents(conn, &[agent], now).await?;
                }
                Ok::<_, Error>(adopted)
            })
            .await?;
        if adopted {
            self.bus.wake();
        }
        Ok(())
    }
}
