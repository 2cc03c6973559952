//! Notes for the audit, bounded so that nobody can fill a disk with refusals: of one caller and one kind, the first
//! refusal of a minute is due at once and the others of that minute as one entry when it is over; of more callers than
//! there is room for, all together. What was done is due at once. A process that dies forgets at most the counts of its
//! last minute.

use messaging::{Bus, Shutdown};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::{Failure, Store};
use time::OffsetDateTime;
use tokio::sync::Notify;
use types::messages::AuditNoted;
use types::messages::audit::AuditEntry;
use types::{Clock, InvestigatorId};
use web::{Noted, Outcome};

/// Says how many callers are counted apart in one minute.
const MOST_CALLERS: usize = 32;
/// Says how many entries wait while the database is away; the eldest give way.
const MOST_WAITING: usize = 4096;
/// Says how many entries a message holds: each has a few kilobytes at most.
const PER_MESSAGE: usize = 100;
/// Says how many characters of a text are kept.
const LONGEST_TEXT: usize = 1000;
/// How often it is looked whether a minute is over.
const LOOK: Duration = Duration::from_secs(5);

/// Holds what is not written down yet.
#[derive(Debug, Default)]
pub struct Notes {
    state: Mutex<State>,
    /// Is called when there is something to write down.
    pub due: Notify,
}

#[derive(Debug, Default)]
struct State {
    minute: i64,
    more: BTreeMap<(String, Option<InvestigatorId>, String), AuditEntry>,
    due: Vec<AuditEntry>,
}

impl Notes {
    /// Notes what a server witnessed.
    pub fn note(&self, now: OffsetDateTime, noted: Noted) {
        let (investigator, who) = noted.caller.map(|caller| (caller.id, caller.name)).unzip();
        let what = if investigator.is_some() { "request" } else { "login" };
        let (outcome, detail) = match noted.outcome {
            Outcome::Done(status) => ("done", status.as_u16().to_string()),
            Outcome::Refused { code, reason } if investigator.is_some() => {
                ("refused", format!("{code}: {reason}"))
            }
            Outcome::Refused { reason, .. } => ("refused", reason),
        };
        self.add(AuditEntry {
            at: now,
            address: source(noted.from.0),
            investigator,
            who: who.unwrap_or_default(),
            what: what.into(),
            subject: noted.asked,
            outcome: outcome.into(),
            detail,
            count: 1,
        });
    }

    /// Adds an entry: what was refused is counted.
    pub fn add(&self, mut entry: AuditEntry) {
        for text in [&mut entry.who, &mut entry.subject, &mut entry.detail] {
            *text = clean(text);
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn(entry.at);
        if entry.outcome == "done" {
            state.push(entry);
        } else if let Some(first) = state.count(entry) {
            state.push(first);
        } else {
            return;
        }
        drop(state);
        self.due.notify_one();
    }

    /// Takes what is to be written down.
    pub fn take(&self, now: OffsetDateTime) -> Vec<AuditEntry> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn(now);
        std::mem::take(&mut state.due)
    }

    /// Puts back what could not be written down.
    pub fn give_back(&self, mut entries: Vec<AuditEntry>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        entries.append(&mut state.due);
        for entry in entries {
            state.push(entry);
        }
    }

    /// Tells investigation-api, which keeps the audit, until `end`; then for a last time.
    pub(crate) async fn send(&self, store: &Store, bus: &Bus, clock: &Clock, end: &Shutdown) {
        loop {
            let now = clock.now();
            let due = self.take(now);
            let messages: Vec<_> =
                due.chunks(PER_MESSAGE).map(|e| AuditNoted { entries: e.to_vec() }).collect();
            if !messages.is_empty() {
                let put = store.tx(async |conn| -> Result<(), Failure> {
                    Ok(bus.put_all(conn, now, &messages).await?)
                });
                match put.await {
                    Ok(()) => bus.wake(),
                    Err(error) => {
                        tracing::warn!(%error, entries = due.len(), "the audit has to wait");
                        self.give_back(due);
                    }
                }
            }
            if end.is_triggered() {
                return;
            }
            tokio::select! {
                () = end.wait() => {}
                () = self.due.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

impl State {
    /// Begins a new minute; what was counted in the one before is due.
    fn turn(&mut self, now: OffsetDateTime) {
        let minute = now.unix_timestamp().div_euclid(60);
        if minute == self.minute {
            return;
        }
        self.minute = minute;
        for entry in std::mem::take(&mut self.more).into_values().filter(|entry| entry.count > 0) {
            self.push(entry);
        }
    }

    /// Counts a refusal; gives it back when it is the first of its caller and kind.
    fn count(&mut self, mut entry: AuditEntry) -> Option<AuditEntry> {
        let mut key = (entry.address.clone(), entry.investigator, entry.what.clone());
        if !self.more.contains_key(&key) && self.more.len() >= MOST_CALLERS {
            key = ("many".into(), None, String::new());
            (entry.address, entry.investigator) = ("many".into(), None);
            entry.who.clear();
        }
        if let Some(counted) = self.more.get_mut(&key) {
            counted.count = counted.count.saturating_add(1);
            return None;
        }
        self.more.insert(key, AuditEntry { count: 0, ..entry.clone() });
        Some(entry)
    }

    fn push(&mut self, entry: AuditEntry) {
        if self.due.len() >= MOST_WAITING {
            self.due.remove(0);
        }
        self.due.push(entry);
    }
}

/// Cuts a text and takes control characters out: it may come from anyone.
fn clean(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Gives the name under which a caller is counted: of IPv6 the network, since a caller has all of it.
pub fn source(address: IpAddr) -> String {
    match web::asker(address) {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(network) => format!("{network}/64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

    fn entry(at: OffsetDateTime, address: &str, outcome: &str) -> AuditEntry {
        AuditEntry {
            at,
            address: address.into(),
            investigator: None,
            who: String::new(),
            what: "login".into(),
            subject: "GET /".into(),
            outcome: outcome.into(),
            detail: "no\0 key".into(),
            count: 1,
        }
    }

    #[test]
    fn a_flood_of_one_caller_is_two_entries_a_minute() {
        let notes = Notes::default();
        for second in 0..59 {
            notes.add(entry(NOW + Duration::seconds(second), "a", "refused"));
        }
        let first = notes.take(NOW + Duration::seconds(59));
        assert_eq!(first.iter().map(|entry| entry.count).collect::<Vec<_>>(), [1]);
        assert_eq!(first[0].detail, "no  key");
        assert!(notes.take(NOW + Duration::seconds(59)).is_empty());
        let rest = notes.take(NOW + Duration::minutes(1));
        assert_eq!(rest.iter().map(|entry| entry.count).collect::<Vec<_>>(), [58]);
    }

    #[test]
    fn many_callers_are_counted_together() {
        let notes = Notes::default();
        for caller in 0..1000 {
            notes.add(entry(NOW, &caller.to_string(), "refused"));
        }
        let first = notes.take(NOW);
        assert_eq!(first.len(), MOST_CALLERS + 1);
        let rest = notes.take(NOW + Duration::minutes(1));
        let all: i64 = first.iter().chain(&rest).map(|entry| entry.count).sum();
        assert_eq!((rest.len(), all), (1, 1000));
    }

    #[test]
    fn what_was_done_is_never_counted_together_and_the_eldest_give_way() {
        let notes = Notes::default();
        for second in 0..5000 {
            notes.add(entry(NOW + Duration::seconds(second), "a", "done"));
        }
        let due = notes.take(NOW);
        assert_eq!((due.len(), due[0].at), (MOST_WAITING, NOW + Duration::seconds(904)));
        notes.give_back(due);
        assert_eq!(notes.take(NOW).len(), MOST_WAITING);
    }

    #[test]
    fn an_ipv6_caller_is_its_network() {
        assert_eq!(source("2001:db8:1:2:3:4:5:6".parse().unwrap()), "2001:db8:1:2::/64");
        assert_eq!(source("192.0.2.1".parse().unwrap()), "192.0.2.1");
    }
}
