//! Refusals, counted so that nobody can fill the disk with them: of one caller and one kind, the first of a minute is
//! written down at once and the others of that minute as one row when it is over; of more callers than there is room for,
//! all together. A process that dies forgets at most the counts of its last minute.

use super::App;
use crate::domain::audit::{Actor, Entry, Outcome, clean};
use crate::error::Error;
use crate::store::audit::audit_append;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use time::OffsetDateTime;
use tokio::sync::Notify;

/// Says how many callers are counted apart in one minute.
const MOST_CALLERS: usize = 32;
/// Says how many rows wait while the database is away; the eldest give way.
const MOST_WAITING: usize = 4096;

/// Holds refusals that are not written down yet.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    state: Mutex<State>,
    /// Is called when there is something to write down.
    pub(crate) noted: Notify,
}

#[derive(Debug, Default)]
struct State {
    minute: i64,
    more: BTreeMap<(String, Option<i64>, String), Entry>,
    due: Vec<Entry>,
}

impl Refusals {
    /// Notes one refusal of `what`.
    pub(crate) fn note(
        &self,
        at: OffsetDateTime,
        actor: Actor,
        what: &str,
        subject: &str,
        detail: &str,
    ) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn(at);
        let mut entry = Entry {
            at,
            actor,
            what: what.into(),
            subject: clean(subject),
            outcome: Outcome::Refused,
            detail: clean(detail),
            count: 1,
        };
        let mut key =
            (entry.actor.address.clone(), entry.actor.id.map(|id| id.0), entry.what.clone());
        if !state.more.contains_key(&key) && state.more.len() >= MOST_CALLERS {
            key = ("many".into(), None, String::new());
            entry.actor = Actor { id: None, who: String::new(), address: "many".into() };
        }
        if let Some(counted) = state.more.get_mut(&key) {
            counted.count = counted.count.saturating_add(1);
            return;
        }
        state.more.insert(key, Entry { count: 0, ..entry.clone() });
        state.push(entry);
        drop(state);
        self.noted.notify_one();
    }

    /// Takes what is to be written down.
    fn take(&self, now: OffsetDateTime) -> Vec<Entry> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn(now);
        std::mem::take(&mut state.due)
    }

    /// Puts back what could not be written down.
    fn give_back(&self, mut entries: Vec<Entry>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        entries.append(&mut state.due);
        for entry in entries {
            state.push(entry);
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

    fn push(&mut self, entry: Entry) {
        if self.due.len() >= MOST_WAITING {
            self.due.remove(0);
        }
        self.due.push(entry);
    }
}

/// Gives the name under which a caller is counted: of IPv6 the network, since a caller has all of it.
pub(crate) fn source(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64));
            format!("{network}/64")
        }
    }
}

impl App {
    /// Notes a refused login.
    pub(crate) fn note_refused_login(&self, refused: &web::RefusedLogin) {
        let actor = Actor { id: None, who: String::new(), address: source(refused.from.0) };
        self.refusals.note(self.clock.now(), actor, "login", &refused.asked, &refused.reason);
    }

    /// Writes refusals down.
    pub(crate) async fn write_refusals(&self) -> Result<(), Error> {
        let due = self.refusals.take(self.clock.now());
        if due.is_empty() {
            return Ok(());
        }
        let written = self
            .store
            .tx(async |conn| -> Result<(), Error> { Ok(audit_append(conn, &due).await?) })
            .await;
        if written.is_err() {
            self.refusals.give_back(due);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::datetime;

    fn actor(address: &str) -> Actor {
        Actor { id: None, who: String::new(), address: address.into() }
    }

    #[test]
    fn a_flood_of_one_caller_is_two_rows_a_minute() {
        let refusals = Refusals::default();
        let now = datetime!(2026-11-21 12:00 UTC);
        for second in 0..59 {
            refusals.note(
                now + Duration::seconds(second),
                actor("a"),
                "login",
                "GET /",
                "no\0 key",
            );
        }
        let first = refusals.take(now + Duration::seconds(59));
        assert_eq!(first.iter().map(|entry| entry.count).collect::<Vec<_>>(), [1]);
        assert_eq!(first[0].detail, "no  key");
        assert!(refusals.take(now + Duration::seconds(59)).is_empty());
        let rest = refusals.take(now + Duration::minutes(1));
        assert_eq!(rest.iter().map(|entry| entry.count).collect::<Vec<_>>(), [58]);
    }

    #[test]
    fn many_callers_are_counted_together() {
        let refusals = Refusals::default();
        let now = datetime!(2026-11-21 12:00 UTC);
        for caller in 0..1000 {
            refusals.note(now, actor(&caller.to_string()), "login", "", "");
        }
        let first = refusals.take(now);
        assert_eq!(first.len(), MOST_CALLERS + 1);
        let rest = refusals.take(now + Duration::minutes(1));
        let all: i64 = first.iter().chain(&rest).map(|entry| entry.count).sum();
        assert_eq!((rest.len(), all), (1, 1000));
    }

    #[test]
    fn an_ipv6_caller_is_its_network() {
        assert_eq!(source("2001:db8:1:2:3:4:5:6".parse().unwrap()), "2001:db8:1:2::/64");
        assert_eq!(source("192.0.2.1".parse().unwrap()), "192.0.2.1");
    }
}
