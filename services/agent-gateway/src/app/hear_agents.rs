//! MIG agents tell that they are there.

use super::App;
use crate::domain::heartbeat::Heartbeat;
use crate::domain::presence::{Change, change};
use crate::error::Error;
use crate::store::mig_agents::{self, Renewed};
use crate::store::mig_mail;
use std::collections::{BTreeMap, BTreeSet};
use store::Conn;
use time::OffsetDateTime;
use types::{AgentId, AgentStatus};

/// Is what a batch of heartbeats changes.
#[derive(Debug, Default)]
struct News<'a> {
    heard: Vec<AgentId>,
    renewed: Vec<Renewed<'a>>,
    replaced: BTreeMap<AgentId, &'a Heartbeat>,
    new: Vec<&'a Heartbeat>,
    /// The queue locations that were silent, or whose agents began anew.
    back: Vec<&'a str>,
    conflicts: usize,
}

impl News<'_> {
    fn is_empty(&self) -> bool {
        self.renewed.is_empty() && self.replaced.is_empty() && self.new.is_empty()
    }
}

impl App {
    /// Notes which MIG agents were heard, and stores and tells what is new of them. Over HTTP and AMQP alike; the
    /// heartbeats are of agents that may be heard. Gives the queue locations that are not heard, as they were revoked.
    pub(crate) async fn hear_agents(
        &self,
        heartbeats: Vec<Heartbeat>,
    ) -> Result<BTreeSet<String>, Error> {
        let now = self.clock.now();
        let heartbeats = latest(heartbeats);
        let mut conn = self.store.get().await?;
        let news = self.find_news(&mut conn, &heartbeats, now).await?;
        drop(conn);
        if news.is_empty() {
            self.note_heard(&news.heard, now);
            return Ok(BTreeSet::new());
        }
        let (heard, woken, revoked) = self
            .store
            .tx(async |conn| {
                // again, as another replica may have heard the same
                let mut news = self.find_news(conn, &heartbeats, now).await?;
                let revoked = self.pass_over_revoked(conn, &mut news).await?;
                let woken = self.write_news(conn, &news, now).await?;
                Ok::<_, Error>((news.heard, woken, revoked))
            })
            .await?;
        self.note_heard(&heard, now);
        self.bus.wake();
        if woken > 0 {
            self.mig.wake();
        }
        Ok(revoked)
    }

    /// Takes new processes of machines whose agent was revoked out of the news; gives their queue locations.
    async fn pass_over_revoked(
        &self,
        conn: &mut Conn,
        news: &mut News<'_>,
    ) -> Result<BTreeSet<String>, Error> {
        let new: Vec<&str> = news.new.iter().map(|heard| heard.queueloc.as_str()).collect();
        if new.is_empty() {
            return Ok(BTreeSet::new());
        }
        mig_agents::mig_machines_lock(conn, &new).await?;
        let revoked = mig_agents::mig_machines_revoked(conn, &new).await?;
        news.new.retain(|heard| !revoked.contains(&heard.queueloc));
        Ok(revoked)
    }

    async fn find_news<'a>(
        &self,
        conn: &mut Conn,
        heartbeats: &'a [Heartbeat],
        now: OffsetDateTime,
    ) -> Result<News<'a>, Error> {
        let known = mig_agents::mig_agents_find(conn, heartbeats).await?;
        let mut news = News::default();
        for (heard, known) in heartbeats.iter().zip(known) {
            let Some((number, known)) = known else {
                news.new.push(heard);
                news.back.push(&heard.queueloc);
                continue;
            };
            let every = self.config.mig_heartbeat;
            match change(&known, &heard.mode, heard.refreshed, every, now) {
                Change::Heard => news.heard.push(number),
                Change::Renewed { conflict_since } => {
                    news.heard.push(number);
                    news.renewed.push(Renewed { number, heard, conflict_since });
                    if known.status != AgentStatus::Online {
                        news.back.push(&heard.queueloc);
                    }
                    news.conflicts +=
                        usize::from(conflict_since.is_some() && known.conflict_since.is_none());
                }
                Change::Replaced => {
                    news.replaced.insert(number, heard);
                    news.back.push(&heard.queueloc);
                }
            }
        }
        Ok(news)
    }

    /// Writes what is new and tells the house; gives how much mail can go out now.
    async fn write_news(
        &self,
        conn: &mut Conn,
        news: &News<'_>,
        now: OffsetDateTime,
    ) -> Result<usize, Error> {
        let mut changed = Vec::new();
        if !news.renewed.is_empty() {
            changed.extend(mig_agents::mig_agents_update(conn, &news.renewed).await?);
        }
        let mut new = news.new.clone();
        if !news.replaced.is_empty() {
            let ended: Vec<AgentId> = news.replaced.keys().copied().collect();
            let ended = mig_agents::mig_agents_end(conn, &ended).await?;
            new.extend(ended.iter().filter_map(|number| news.replaced.get(number)));
            changed.extend(ended);
        }
        if !new.is_empty() {
            changed.extend(mig_agents::mig_agents_insert(conn, &new, now).await?);
        }
        self.publish_agents(conn, &changed, now).await?;
        for renewed in news.renewed.iter().filter(|renewed| renewed.conflict_since == Some(now)) {
            tracing::warn!(
                agent.number = %renewed.number,
                agent.queueloc = renewed.heard.queueloc,
                "two agents of one queue location are heard in turn"
            );
        }
        self.mig.count_conflicts(news.conflicts);
        if news.back.is_empty() {
            return Ok(0);
        }
        Ok(mig_mail::mig_mail_wake(conn, &news.back, now).await?)
    }

    fn note_heard(&self, heard: &[AgentId], now: OffsetDateTime) {
        for number in heard {
            self.seen.note(*number, now, false);
        }
    }
}

/// Keeps the last heartbeat of each process.
fn latest(heartbeats: Vec<Heartbeat>) -> Vec<Heartbeat> {
    let mut latest = BTreeMap::new();
    for heard in heartbeats {
        latest.insert((heard.queueloc.clone(), heard.pid), heard);
    }
    latest.into_values().collect()
}
