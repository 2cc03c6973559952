//! Who was heard is written down, and who came back is told at once.

use super::App;
use super::seen::Noted;
use crate::error::Error;
use crate::store::{agents, presence};
use time::OffsetDateTime;
use types::AgentId;

/// More in one statement is not faster (field/performance.md, H1).
const AT_ONCE: usize = 1_000;

impl App {
    /// Writes down who was heard since the last time; what cannot be written now is kept for the next time.
    pub async fn write_seen(&self) -> Result<(), Error> {
        let noted = self.seen.take_to_write();
        if noted.heard.is_empty() {
            return Ok(());
        }
        let written = self.write_noted(&noted).await;
        if written.is_err() {
            self.seen.give_back(noted);
        }
        written
    }

    async fn write_noted(&self, noted: &Noted) -> Result<(), Error> {
        let heard: Vec<(AgentId, OffsetDateTime)> =
            noted.heard.iter().map(|(agent, at)| (*agent, *at)).collect();
        for some in heard.chunks(AT_ONCE) {
            presence::presence_note(&mut *self.store.get().await?, some).await?;
        }
        let returned: Vec<AgentId> = noted.returned.iter().copied().collect();
        for some in returned.chunks(AT_ONCE) {
            self.bring_online(some).await?;
        }
        Ok(())
    }

    async fn bring_online(&self, agents: &[AgentId]) -> Result<(), Error> {
        let now = self.clock.now();
        self.store
            .tx(async |conn| {
                let back = agents::agents_come_online(conn, agents).await?;
                self.publish_agents(conn, &back, now).await
            })
            .await?;
        self.bus.wake();
        Ok(())
    }
}
