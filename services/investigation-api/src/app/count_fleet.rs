//! Counts the fleet by the clock, so that nobody who asks has to; shows the dashboard.

use super::{App, meters};
use crate::error::Error;
use crate::store::{find, stats};
use ::store::Conn;
use serde::{Deserialize, Serialize};
use time::Duration;
use types::Action;

/// Says how many actions the dashboard shows.
const NEWEST: i64 = 10;
/// Says how long one count serves all processes of this service.
const FRESH: Duration = Duration::seconds(4);

/// Counts the agents of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VersionCount {
    version: String,
    count: i64,
}

/// Is how the fleet stands (specs/mig/scheduler-agent.md §7).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Stats {
    pub(crate) online_agents: i64,
    pub(crate) online_by_version: Option<Vec<VersionCount>>,
    pub(crate) online_endpoints: i64,
    pub(crate) idle_agents: i64,
    pub(crate) idle_by_version: Option<Vec<VersionCount>>,
    pub(crate) idle_endpoints: i64,
    pub(crate) new_endpoints: i64,
    pub(crate) multi_agents: i64,
    pub(crate) disappeared: i64,
    pub(crate) flapping: i64,
}

impl App {
    /// Shows how the fleet stands, as last counted, and the newest actions.
    pub(crate) async fn dashboard(&self) -> Result<(Option<Stats>, Vec<Action>), Error> {
        let mut conn = self.store.get().await?;
        let stats = self.stats(&mut conn).await?;
        let ids = find::actions_newest(&mut conn, NEWEST).await?;
        Ok((stats, self.actions_in_order(&mut conn, &ids).await?))
    }

    /// Counts the fleet for the dashboard, unless another process is at it or has just done so; tells operators.
    pub async fn count_fleet(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let stats = self
            .store
            .tx(async |conn| -> Result<_, Error> {
                if stats::stats_claim(conn, now, now - FRESH).await? {
                    stats::stats_count(conn, now).await?;
                }
                self.stats(conn).await
            })
            .await?;
        if let Some(stats) = stats {
            meters::fleet(&stats);
        }
        Ok(())
    }

    async fn stats(&self, conn: &mut Conn) -> Result<Option<Stats>, Error> {
        let stats = stats::stats_find(conn).await?;
        Ok(stats.and_then(|stats| serde_json::from_str(&stats).ok()))
    }
}
