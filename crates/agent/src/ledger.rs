//! Remembers on disk which orders this agent took, so that none runs twice.
//!
//! One file per order, named by the SHA-256 of the signed string, written before the order runs and kept until the
//! order expires. A file that cannot be read any more still counts: the order it names is refused.

use crate::state::{sync_dir, write_durably};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use time::{Duration, OffsetDateTime};
use types::RunId;

/// Names an order: the SHA-256 of its signed string.
pub(crate) type Digest = [u8; 32];

/// Keeps the orders that were taken.
#[derive(Debug)]
pub(crate) struct Ledger {
    dir: PathBuf,
    orders: Mutex<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    taken: BTreeMap<Digest, Entry>,
    unreadable: BTreeSet<Digest>,
    runs: BTreeMap<RunId, Digest>,
}

/// Is what is known of a taken order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The run under which it was taken.
    pub(crate) run: RunId,
    /// How many operations it has.
    pub(crate) operations: usize,
    /// When it may be forgotten.
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) expires: OffsetDateTime,
    /// Whether the server has the answer.
    pub(crate) answered: bool,
}

/// Says whether an order may run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may, now and never again.
    Admitted,
    /// It was taken before.
    Replayed,
}

impl Ledger {
    /// Reads the ledger in `dir`.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        let mut orders = Orders::default();
        for file in fs::read_dir(&dir)? {
            let file = file?;
            let name = file.file_name();
            let mut digest = Digest::default();
            let named = name.to_str().and_then(|name| name.strip_suffix(".json"));
            if named.is_none_or(|name| hex::decode_to_slice(name, &mut digest).is_err()) {
                continue;
            }
            match serde_json::from_slice::<Entry>(&fs::read(file.path())?) {
                Ok(entry) => orders.insert(digest, entry),
                Err(error) => {
                    tracing::error!(%error, file = %file.path().display(), "unreadable ledger entry; its order stays refused");
                    orders.unreadable.insert(digest);
                }
            }
        }
        Ok(Self { dir, orders: Mutex::new(orders) })
    }

    /// Tells whether a run was taken.
    pub(crate) fn knows(&self, run: RunId) -> bool {
        self.lock().runs.contains_key(&run)
    }

    /// Takes an order; when this returns [`Admission::Admitted`], the order is on the disk.
    pub(crate) fn admit(&self, digest: Digest, entry: Entry) -> io::Result<Admission> {
        let mut orders = self.lock();
        let seen = orders.taken.contains_key(&digest) || orders.unreadable.contains(&digest);
        if seen || orders.runs.contains_key(&entry.run) {
            return Ok(Admission::Replayed);
        }
        self.write(digest, &entry)?;
        orders.insert(digest, entry);
        Ok(Admission::Admitted)
    }

    /// Notes that the server has the answer of a run; tells whether the run is one of the ledger's.
    pub(crate) fn mark_answered(&self, run: RunId) -> io::Result<bool> {
        let mut orders = self.lock();
        let Some(digest) = orders.runs.get(&run).copied() else {
            return Ok(false);
        };
        let Some(entry) = orders.taken.get_mut(&digest) else {
            return Ok(false);
        };
        if !entry.answered {
            let answered = Entry { answered: true, ..entry.clone() };
            self.write(digest, &answered)?;
            *entry = answered;
        }
        Ok(true)
    }

    /// Lists the runs that were begun and whose answer the server does not have.
    pub(crate) fn unanswered(&self) -> Vec<Entry> {
        self.lock().taken.values().filter(|entry| !entry.answered).cloned().collect()
    }

    /// Tells whether a run was begun and the server does not have its answer.
    pub(crate) fn is_unanswered(&self, run: RunId) -> bool {
        let orders = self.lock();
        let entry = orders.runs.get(&run).and_then(|digest| orders.taken.get(digest));
        entry.is_some_and(|entry| !entry.answered)
    }

    /// Forgets orders that can no longer be valid, a day after their end so that a clock set back revives none;
    /// gives their runs.
    pub(crate) fn purge(&self, now: OffsetDateTime) -> io::Result<Vec<RunId>> {
        let mut orders = self.lock();
        let over: Vec<(Digest, RunId)> = orders
            .taken
            .iter()
            .filter(|(_, entry)| {
                entry.answered && entry.expires.saturating_add(Duration::DAY) < now
            })
            .map(|(digest, entry)| (*digest, entry.run))
            .collect();
        for (digest, run) in &over {
            fs::remove_file(self.dir.join(file_name(digest)))?;
            orders.taken.remove(digest);
            orders.runs.remove(run);
        }
        if !over.is_empty() {
            sync_dir(&self.dir)?;
        }
        Ok(over.into_iter().map(|(_, run)| run).collect())
    }

    fn write(&self, digest: Digest, entry: &Entry) -> io::Result<()> {
        write_durably(&self.dir, &file_name(&digest), &serde_json::to_vec(entry)?)
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Orders {
    fn insert(&mut self, digest: Digest, entry: Entry) {
        self.runs.insert(entry.run, digest);
        self.taken.insert(digest, entry);
    }
}

fn file_name(digest: &Digest) -> String {
    format!("{}.json", hex::encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;
    use uuid::Uuid;

    fn entry(run: u128) -> Entry {
        Entry {
            run: RunId(Uuid::from_u128(run)),
            operations: 2,
            expires: datetime!(2030-01-01 00:00 UTC),
            answered: false,
        }
    }

    #[test]
    fn an_order_is_admitted_once_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path().into()).unwrap();
        assert_eq!(ledger.admit([1; 32], entry(1)).unwrap(), Admission::Admitted);
        for ledger in [ledger, Ledger::open(dir.path().into()).unwrap()] {
            assert_eq!(ledger.admit([1; 32], entry(2)).unwrap(), Admission::Replayed);
            assert_eq!(ledger.admit([1; 32], entry(1)).unwrap(), Admission::Replayed);
            assert_eq!(ledger.admit([2; 32], entry(1)).unwrap(), Admission::Replayed);
            assert!(ledger.knows(RunId(Uuid::from_u128(1))));
            assert!(!ledger.knows(RunId(Uuid::from_u128(2))));
        }
    }

    #[test]
    fn unanswered_runs_are_known_until_the_server_has_the_answer() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path().into()).unwrap();
        ledger.admit([1; 32], entry(1)).unwrap();
        assert_eq!(ledger.unanswered(), [entry(1)]);
        assert!(ledger.mark_answered(entry(1).run).unwrap());
        assert!(!ledger.mark_answered(entry(9).run).unwrap());
        assert_eq!(Ledger::open(dir.path().into()).unwrap().unanswered(), []);
    }

    #[test]
    fn only_what_is_over_and_answered_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path().into()).unwrap();
        ledger.admit([1; 32], entry(1)).unwrap();
        ledger.admit([2; 32], entry(2)).unwrap();
        ledger.mark_answered(entry(1).run).unwrap();
        assert_eq!(ledger.purge(datetime!(2030-01-01 12:00 UTC)).unwrap(), []);
        assert_eq!(ledger.purge(datetime!(2030-01-03 00:00 UTC)).unwrap(), [entry(1).run]);
        let reread = Ledger::open(dir.path().into()).unwrap();
        assert!(!reread.knows(entry(1).run) && reread.knows(entry(2).run));
    }

    #[test]
    fn an_unreadable_entry_still_refuses_its_order() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(file_name(&[7; 32])), "{").unwrap();
        fs::write(dir.path().join("notes.txt"), "not an entry").unwrap();
        let ledger = Ledger::open(dir.path().into()).unwrap();
        assert_eq!(ledger.admit([7; 32], entry(1)).unwrap(), Admission::Replayed);
    }

    #[test]
    fn an_order_that_cannot_be_written_is_not_admitted() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path().into()).unwrap();
        fs::remove_dir(dir.path()).unwrap();
        assert!(ledger.admit([1; 32], entry(1)).is_err());
        assert!(!ledger.knows(entry(1).run));
    }
}
