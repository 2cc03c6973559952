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

/// Remembers since when something is there that goes away at times.
#[derive(Debug)]
pub(super) struct Since(Mutex<Option<OffsetDateTime>>);

impl Since {
    /// Begins now.
    pub(super) fn new(now: OffsetDateTime) -> Self {
        Self(Mutex::new(Some(now)))
    }

    /// Gives since when; from now on when it was away.
    pub(super) fn since(&self, now: OffsetDateTime) -> OffsetDateTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now)
    }

    /// Notes that it is away.
    pub(super) fn lost(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Tells whether it was there when somebody asked last.
    pub(super) fn is_there(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl App {
    /// Marks silent agents: idle ones offline first, then online ones idle, so that an agent is idle for a while before
    /// it is gone (specs/mig/scheduler-agent.md §5). Their silence begins when this replica began to listen at the
    /// earliest, and anew when the database was away; that of MIG's agents also when their broker was.
    pub async fn fade_agents(&self) -> Result<(), Error> {
        let now = self.clock.now();
        if self.config.speaks_mig() && !self.mig.hears() {
            self.mig_hearing.lost();
        }
        let since = self.hearing.since(now);
        let faded = self.fade_silent(since, since.max(self.mig_hearing.since(now))).await;
        if let Err(Error::Unavailable(_)) = &faded {
            self.hearing.lost();
        }
        faded
    }

    async fn fade_silent(
        &self,
        since: OffsetDateTime,
        mig_since: OffsetDateTime,
    ) -> Result<(), Error> {
        let Config { idle_after, offline_after, runbook_offline_after, mig_timeout, .. } =
            self.config;
        let with = |[writ, runbook, mig]: [Duration; 3]| {
            [(since, writ), (since, runbook), (mig_since, mig)]
        };
        let offline = with([offline_after, runbook_offline_after.max(idle_after), mig_timeout]);
        self.fade(AgentStatus::Idle, AgentStatus::Offline, offline).await?;
        let idle = with([idle_after, idle_after, self.config.mig_heartbeat * MISSED]);
        self.fade(AgentStatus::Online, AgentStatus::Idle, idle).await
    }

    async fn fade(
        &self,
        from: AgentStatus,
        to: AgentStatus,
        silences: [(OffsetDateTime, Duration); 3],
    ) -> Result<(), Error> {
        let mut last = AgentId(0);
        loop {
            let now = self.clock.now();
            let [writ, runbook, mig] = silences.map(|(since, after)| {
                if since <= now - after { now - after } else { OffsetDateTime::UNIX_EPOCH }
            });
            let before = Before { writ, runbook, mig };
            let faded = self
                .store
                .tx(async |conn| {
                    let faded =
                        agents::agents_fade(conn, (from, to), before, last, AT_ONCE).await?;
                    self.publish_agents(conn, &faded, now).await?;
                    Ok::<_, Error>(faded)
                })
                .await?;
            let Some(next) = faded.last() else { return Ok(()) };
            self.bus.wake();
            last = *next;
        }
    }
}
