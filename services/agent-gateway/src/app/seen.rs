//! Who was heard: noted in memory with each request, written down and told in bulk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use time::OffsetDateTime;
use types::AgentId;

/// Remembers who was heard since the last time it was asked; clones remember the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    to_write: Noted,
    to_tell: BTreeMap<AgentId, OffsetDateTime>,
}

/// Is who was heard and has not been written down.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    /// When each was heard last.
    pub heard: BTreeMap<AgentId, OffsetDateTime>,
    /// Those that had not been online before.
    pub returned: BTreeSet<AgentId>,
}

impl Seen {
    /// Notes that an agent was heard, and whether it was not online before.
    pub(crate) fn note(&self, agent: AgentId, at: OffsetDateTime, was_gone: bool) {
        let mut inner = self.lock();
        latest(&mut inner.to_write.heard, agent, at);
        latest(&mut inner.to_tell, agent, at);
        if was_gone {
            inner.to_write.returned.insert(agent);
        }
    }

    /// Takes what is to be written down.
    pub(crate) fn take_to_write(&self) -> Noted {
        std::mem::take(&mut self.lock().to_write)
    }

    /// Gives back what could not be written down.
    pub(crate) fn give_back(&self, noted: Noted) {
        let mut inner = self.lock();
        for (agent, at) in noted.heard {
            latest(&mut inner.to_write.heard, agent, at);
        }
        inner.to_write.returned.extend(noted.returned);
    }

    /// Takes what is to be told.
    pub(crate) fn take_to_tell(&self) -> BTreeMap<AgentId, OffsetDateTime> {
        std::mem::take(&mut self.lock().to_tell)
    }

    /// Gives back what could not be told.
    pub(crate) fn tell_later(&self, heard: BTreeMap<AgentId, OffsetDateTime>) {
        let mut inner = self.lock();
        for (agent, at) in heard {
            latest(&mut inner.to_tell, agent, at);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn latest(heard: &mut BTreeMap<AgentId, OffsetDateTime>, agent: AgentId, at: OffsetDateTime) {
    let known = heard.entry(agent).or_insert(at);
    *known = at.max(*known);
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_latest_time_stays_whatever_is_given_back() {
        let (early, late) = (datetime!(2026-01-01 00:00 UTC), datetime!(2026-01-01 00:01 UTC));
        let seen = Seen::default();
        seen.note(AgentId(1), early, true);
        let noted = seen.take_to_write();
        assert_eq!(noted.returned, BTreeSet::from([AgentId(1)]));
        assert_eq!(seen.take_to_write(), Noted::default());
        seen.note(AgentId(1), late, false);
        seen.give_back(noted);
        let again = seen.take_to_write();
        assert_eq!(again.heard, BTreeMap::from([(AgentId(1), late)]));
        assert_eq!(again.returned, BTreeSet::from([AgentId(1)]));
        assert_eq!(seen.take_to_tell(), BTreeMap::from([(AgentId(1), late)]));
        seen.tell_later(BTreeMap::from([(AgentId(1), early)]));
        assert_eq!(seen.take_to_tell(), BTreeMap::from([(AgentId(1), early)]));
    }
}
