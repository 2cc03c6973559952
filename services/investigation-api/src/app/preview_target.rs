//! Says what a target would reach.

use super::App;
use crate::error::Error;
use types::api::action::{Preview, PreviewAgent};
use types::{AgentId, AgentStatus, AgentUid};

/// Says how many agents a preview names.
const SAMPLE: i64 = 10;

impl App {
    /// Counts the agents that `target` reaches now and names the first ten.
    pub(crate) async fn preview_target(&self, target: &str) -> Result<Preview, Error> {
        let now = self.clock.now();
        let target = fleet::parse_target(target).map_err(|fault| {
            Error::invalid("target-invalid", "/target", format!("target: {fault}"))
        })?;
        let mut conn = self.store.get().await?;
        let count = fleet::count(&mut conn, &target, now).await?;
        let sample = fleet::sample(&mut conn, &target, now, SAMPLE).await?;
        let sample = sample.into_iter().map(|agent| PreviewAgent {
            id: AgentId(agent.id),
            uid: Some(AgentUid(agent.uid)),
            name: agent.name,
            status: AgentStatus::parse(&agent.status).unwrap_or(AgentStatus::Offline),
        });
        Ok(Preview { count, sample: sample.collect() })
    }
}
