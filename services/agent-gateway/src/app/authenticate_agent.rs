//! Who polls.

use super::{App, secret};
use crate::error::Error;
use crate::store::tokens;
use types::{AgentId, AgentStatus};

impl App {
    /// Finds the agent of an access token and notes that it was heard. Asks the database each time, by primary key: a
    /// token that was revoked is dead with the next request.
    pub(crate) async fn authenticate_agent(&self, token: &str) -> Result<AgentId, Error> {
        let (agent, status) = self.check_token(&secret::hash(token)).await?;
        self.seen.note(agent, self.clock.now(), status != AgentStatus::Online);
        Ok(agent)
    }

    async fn check_token(&self, sha256: &[u8; 32]) -> Result<(AgentId, AgentStatus), Error> {
        let mut conn = self.store.get().await?;
        tokens::token_find(&mut conn, sha256).await?.ok_or(Error::Token)
    }
}
