//! Agents that are not heard any more.

use super::App;
use crate::config::Config;
use crate::error::Error;
use crate::store::agents::{self, Before};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use time::OffsetDateTime;
use types::{AgentId, AgentStatus};

/// Bounds how long one transaction holds its locks.
const AT_ONCE: i64 = 200;
/// So many heartbeats of a MIG agent are missed before it is idle (specs/mig/scheduler-agent.md §5).
const MISSED: u32 = 5;

/// Remembers since when agents are heard and that is stored: whom nobody could hear was not silent.
#[derive(Debug)]
pub(super) struct Hearing(Mutex<Option<OffsetDateTime>>);

impl Hearing {
    /// Begins now.
    pub(super) fn new(now: OffsetDateTime) -> Self {
        Self(Mutex::new(Some(now)))
    }

    /// Gives since when; from now on when the database was away.
    fn since(&self, now: OffsetDateTime) -> OffsetDateTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now)
    }

    /// Notes that the database is away.
    fn lost(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl App {
    /// Marks silent agents: idle ones offline first, then online ones idle, so that an agent is idle for a while before
    /// it is gone (specs/mig/scheduler-agent.md §5). Their silence begins when this replica began to listen at the
    /// earliest, and anew when the database was away.
    pub async fn fade_agents(&self) -> Result<(), Error> {
        let faded = self.fade_silent(self.hearing.since(self.clock.now())).await;
        if let Err(Error::Unavailable(_)) = &faded {
            self.hearing.lost();
        }
        faded
    }

    async fn fade_silent(&self, since: OffsetDateTime) -> Result<(), Error> {
        let Config { idle_after, offline_after, runbook_offline_after, mig_timeout, .. } =
            self.config;
        let offline = [offline_after, runbook_offline_after.max(idle_after), mig_timeout];
        self.fade(AgentStatus::Idle, AgentStatus::Offline, since, offline).await?;
        let idle = [idle_after, idle_after, self.config.mig_heartbeat * MISSED];
        self.fade(AgentStatus::Online, AgentStatus::Idle, since, idle).await
    }

    async fn fade(
        &self,
        from: AgentStatus,
        to: AgentStatus,
        since: OffsetDateTime,
        [writ, runbook, mig]: [Duration; 3],
    ) -> Result<(), Error> {
        let mut after = AgentId(0);
        loop {
            let now = self.clock.now();
            let silent = |after: Duration| {
                if since <= now - after { now - after } else { OffsetDateTime::UNIX_EPOCH }
            };
            let before = Before { writ: silent(writ), runbook: silent(runbook), mig: silent(mig) };
            let faded = self
                .store
                .tx(async |conn| {
                    let faded =
                        agents::agents_fade(conn, (from, to), before, after, AT_ONCE).await?;
                    self.publish_agents(conn, &faded, now).await?;
                    Ok::<_, Error>(faded)
                })
                .await?;
            let Some(last) = faded.last() else { return Ok(()) };
            self.bus.wake();
            after = *last;
        }
    }
}
