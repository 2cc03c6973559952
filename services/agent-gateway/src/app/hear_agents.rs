//! MIG agents tell that they are there.

use super::App;
use crate::domain::heartbeat::Heartbeat;
use crate::domain::presence::{Change, change};
use crate::error::Error;
use crate::store::mig_agents::{self, Renewed};
use crate::store::mig_machines;
use crate::store::mig_mail;
use std::collections::{BTreeMap, BTreeSet};
use store::Conn;
use time::OffsetDateTime;
use types::{AgentId, AgentStatus};

/// How many rows of one queue location may be open. An honest machine has one for each start of the last three quarters
/// of an hour; heartbeats carry no proof, and each row is looked at with each heartbeat of the machine.
const OPEN: i64 = 64;

/// Is what a batch of heartbeats changes.
#[derive(Debug, Default)]
struct News<'a> {
    heard: Vec<AgentId>,
    renewed: Vec<Renewed<'a>>,
    replaced: BTreeMap<AgentId, New<'a>>,
    new: Vec<New<'a>>,
    /// Those of the heartbeats that tell something new.
    told: Vec<&'a Heartbeat>,
    /// The queue locations that were silent, or whose agents began anew.
    back: Vec<&'a str>,
    conflicts: usize,
}

/// Is a row to be: what its agent says, and since when there is another.
type New<'a> = (&'a Heartbeat, Option<OffsetDateTime>);

impl App {
    /// Notes which MIG agents were heard, and stores and tells what is new of them. Over HTTP and AMQP alike; the
    /// heartbeats are of agents that may be heard. Gives the queue locations that are not heard, as they were revoked.
    pub(crate) async fn hear_agents(
        &self,
        heartbeats: &[Heartbeat],
    ) -> Result<BTreeSet<String>, Error> {
        let now = self.clock.now();
        let heartbeats = latest(heartbeats);
        let mut conn = self.store.get().await?;
        let news = self.find_news(&mut conn, &heartbeats, now).await?;
        drop(conn);
        if news.told.is_empty() {
            self.note_heard(&news.heard, now);
            return Ok(BTreeSet::new());
        }
        let mut told = news.told;
        let machines: Vec<&str> =
            told.iter().copied().map(|heard| heard.queueloc.as_str()).collect();
        let (heard, woken, revoked) = self
            .store
            .tx(async |conn| {
                // all rows that may change, in one order; again, as another replica may have heard the same
                mig_machines::mig_machines_lock(conn, &machines).await?;
                let revoked = mig_machines::mig_machines_revoked(conn, &machines).await?;
                told.retain(|heard| !revoked.contains(&heard.queueloc));
                let news = self.find_news(conn, &told, now).await?;
                let woken = self.write_news(conn, &news, now).await?;
                Ok::<_, Error>((news.heard, woken, revoked))
            })
            .await?;
        self.note_heard(&news.heard, now);
        self.note_heard(&heard, now);
        self.bus.wake();
        if woken > 0 {
            self.mig.wake();
        }
        Ok(revoked)
    }

    async fn find_news<'a>(
        &self,
        conn: &mut Conn,
        heartbeats: &[&'a Heartbeat],
        now: OffsetDateTime,
    ) -> Result<News<'a>, Error> {
        let mut news = News::default();
        if heartbeats.is_empty() {
            return Ok(news);
        }
        let known = mig_agents::mig_agents_find(conn, heartbeats).await?;
        for (heard, known) in heartbeats.iter().copied().zip(known) {
            let Some((number, known)) = known else {
                news.told.push(heard);
                news.new.push((heard, None));
                news.back.push(&heard.queueloc);
                continue;
            };
            let every = self.config.mig_heartbeat;
            match change(&known, &heard.mode, heard.refreshed, every, now) {
                Change::Heard => news.heard.push(number),
                Change::Renewed { conflict_since } => {
                    news.heard.push(number);
                    news.told.push(heard);
                    news.renewed.push(Renewed { number, heard, conflict_since });
                    if known.status != AgentStatus::Online {
                        news.back.push(&heard.queueloc);
                    }
                    news.conflicts +=
                        usize::from(conflict_since.is_some() && known.conflict_since.is_none());
                }
                Change::Replaced { conflict_since } => {
                    news.told.push(heard);
                    news.replaced.insert(number, (heard, conflict_since));
                    news.back.push(&heard.queueloc);
                    news.conflicts +=
                        usize::from(conflict_since.is_some() && known.conflict_since.is_none());
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
        let mut new = few_of_each(&news.new);
        if !news.replaced.is_empty() {
            let ended: Vec<AgentId> = news.replaced.keys().copied().collect();
            let ended = mig_agents::mig_agents_end(conn, &ended).await?;
            new.extend(ended.iter().filter_map(|number| news.replaced.get(number)));
            changed.extend(ended);
        }
        if !new.is_empty() {
            changed.extend(mig_agents::mig_agents_insert(conn, &new, now).await?);
            changed.extend(end_crowd(conn, &new).await?);
            // of what begins and ends at once nobody hears that it began
            changed.sort_unstable();
            changed.dedup();
        }
        self.publish_agents(conn, &changed, now).await?;
        let renewed = news.renewed.iter().map(|renewed| (renewed.heard, renewed.conflict_since));
        for (heard, since) in renewed.chain(news.replaced.values().copied()) {
            if since == Some(now) {
                tracing::warn!(
                    agent.queueloc = heard.queueloc,
                    agent.pid = heard.pid,
                    "two agents of one queue location are heard in turn"
                );
            }
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

/// Ends the oldest rows of machines that have more than they may, now that there are new ones.
async fn end_crowd(conn: &mut Conn, new: &[New<'_>]) -> Result<Vec<AgentId>, Error> {
    let machines: BTreeSet<&str> = new.iter().map(|(heard, _)| heard.queueloc.as_str()).collect();
    let machines: Vec<&str> = machines.into_iter().collect();
    let crowd = mig_agents::mig_agents_crowd(conn, &machines, OPEN).await?;
    if crowd.is_empty() {
        return Ok(crowd);
    }
    tracing::warn!(
        rows = crowd.len(),
        agent.queueloc = machines.first(),
        "more processes of one queue location are heard than any machine has; the oldest rows end"
    );
    Ok(mig_agents::mig_agents_end(conn, &crowd).await?)
}

/// Leaves out of new rows those that would end at once, as their machine has more than it may.
fn few_of_each<'a>(new: &[New<'a>]) -> Vec<New<'a>> {
    let mut count = BTreeMap::<&str, i64>::new();
    let is_few = |(heard, _): &&New<'a>| {
        let count = count.entry(&heard.queueloc).or_default();
        *count += 1;
        *count <= OPEN
    };
    new.iter().filter(is_few).copied().collect()
}

/// Gives the last heartbeat of each process.
fn latest(heartbeats: &[Heartbeat]) -> Vec<&Heartbeat> {
    let mut latest = BTreeMap::new();
    for heard in heartbeats {
        latest.insert((heard.queueloc.as_str(), heard.pid), heard);
    }
    latest.into_values().collect()
}
