//! The house is told in bulk who was heard.

use super::App;
use crate::error::Error;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use types::AgentId;
use types::messages::AgentSeen;
use types::messages::agent::{SEEN_PER_MESSAGE, SeenAgent};

impl App {
    /// Tells who was heard since the last time; what cannot be told now is kept for the next time.
    pub async fn announce_seen(&self) -> Result<(), Error> {
        let heard = self.seen.take_to_tell();
        if heard.is_empty() {
            return Ok(());
        }
        let told = self.tell(&heard).await;
        if told.is_err() {
            self.seen.tell_later(heard);
        }
        told
    }

    async fn tell(&self, heard: &BTreeMap<AgentId, OffsetDateTime>) -> Result<(), Error> {
        let agents: Vec<SeenAgent> =
            heard.iter().map(|(agent, at)| SeenAgent { agent: *agent, at: *at }).collect();
        let messages: Vec<AgentSeen> = agents
            .chunks(SEEN_PER_MESSAGE)
            .map(|some| AgentSeen { agents: some.to_vec() })
            .collect();
        let now = self.clock.now();
        self.store
            .tx(async |conn| Ok::<_, Error>(self.bus.put_all(conn, now, &messages).await?))
            .await?;
        self.bus.wake();
        Ok(())
    }
}
