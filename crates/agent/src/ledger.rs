//! Remembers on disk which orders this agent took, so that none runs twice.
//!
//! One file per signature of an order, named by what the signature is known by (proto-docs/decisions/0008), written
//! before the order runs and kept until the order expires; older agents had one per order, named by the SHA-256 of
//! what is signed. A file that cannot be read any more still counts: the order it names is refused.

use crate::state::{sync_dir, write_durably};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use time::{Duration, OffsetDateTime};
use types::RunId;

/// Names an order: a SHA-256.
pub(crate) type Digest = [u8; 32];

/// Keeps the orders that were taken.
#[derive(Debug)]
pub(crate) struct Ledger {
    dir: PathBuf,
    orders: Mutex<Orders>,
}

#[derive(Debug, Default)]
struct Orders {
    taken: BTreeMap<RunId, Taken>,
    /// Name the orders that were taken, those in files that cannot be read among them.
    known: BTreeSet<Digest>,
}

#[derive(Debug)]
struct Taken {
    entry: Entry,
    /// The names of its files.
    names: Vec<Digest>,
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
                Ok(entry) => orders.insert(digest, &entry),
                Err(error) => {
                    tracing::error!(%error, file = %file.path().display(), "unreadable ledger entry; its order stays refused");
                    orders.known.insert(digest);
                }
            }
        }
        Ok(Self { dir, orders: Mutex::new(orders) })
    }

    /// Tells whether a run was taken.
    pub(crate) fn knows(&self, run: RunId) -> bool {
        self.lock().taken.contains_key(&run)
    }

    /// Takes an order unless one of its `marks` was taken before, or it was under one of its `former` names; when this
    /// returns [`Admission::Admitted`], the order is on the disk.
    pub(crate) fn admit(
        &self,
        marks: &BTreeSet<Digest>,
        former: &[Digest],
        entry: &Entry,
    ) -> io::Result<Admission> {
        let mut orders = self.lock();
        let seen = marks.iter().chain(former).any(|name| orders.known.contains(name));
        if seen || orders.taken.contains_key(&entry.run) {
            return Ok(Admission::Replayed);
        }
        for mark in marks {
            self.write(mark, entry)?;
        }
        for mark in marks {
            orders.insert(*mark, entry);
        }
        Ok(Admission::Admitted)
    }

    /// Notes that the server has the answer of a run; tells whether the run is one of the ledger's.
    pub(crate) fn mark_answered(&self, run: RunId) -> io::Result<bool> {
        let mut orders = self.lock();
        let Some(taken) = orders.taken.get_mut(&run) else {
            return Ok(false);
        };
        if !taken.entry.answered {
            let answered = Entry { answered: true, ..taken.entry.clone() };
            for name in &taken.names {
                self.write(name, &answered)?;
            }
            taken.entry = answered;
        }
        Ok(true)
    }

    /// Lists the runs that were begun and whose answer the server does not have.
    pub(crate) fn unanswered(&self) -> Vec<Entry> {
        let orders = self.lock();
        let entries = orders.taken.values().map(|taken| &taken.entry);
        entries.filter(|entry| !entry.answered).cloned().collect()
    }

    /// Tells whether a run was begun and the server does not have its answer.
    pub(crate) fn is_unanswered(&self, run: RunId) -> bool {
        self.lock().taken.get(&run).is_some_and(|taken| !taken.entry.answered)
    }

    /// Forgets orders that can no longer be valid, a day after their end so that a clock set back revives none;
    /// gives their runs.
    pub(crate) fn purge(&self, now: OffsetDateTime) -> io::Result<Vec<RunId>> {
        let mut orders = self.lock();
        let Orders { taken, known } = &mut *orders;
        let is_over =
            |entry: &Entry| entry.answered && entry.expires.saturating_add(Duration::DAY) < now;
        let over = taken.iter().filter(|(_, taken)| is_over(&taken.entry));
        let over: Vec<RunId> = over.map(|(run, _)| *run).collect();
        for run in &over {
            let Some(order) = taken.get_mut(run) else { continue };
            while let Some(name) = order.names.last() {
                fs::remove_file(self.dir.join(file_name(name)))?;
                known.remove(name);
                order.names.pop();
            }
            taken.remove(run);
        }
        if !over.is_empty() {
            sync_dir(&self.dir)?;
        }
        Ok(over)
    }

    fn write(&self, name: &Digest, entry: &Entry) -> io::Result<()> {
        write_durably(&self.dir, &file_name(name), &serde_json::to_vec(entry)?)
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Orders {
    /// Adds a file of an order. A stop may have come between two of them: what one says is so.
    fn insert(&mut self, name: Digest, entry: &Entry) {
        self.known.insert(name);
        let taken = self
            .taken
            .entry(entry.run)
            .or_insert_with(|| Taken { entry: entry.clone(), names: Vec::new() });
        taken.entry.answered |= entry.answered;
        taken.names.push(name);
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

    fn admit(ledger: &Ledger, mark: u8, entry: &Entry) -> io::Result<Admission> {
        ledger.admit(&BTreeSet::from([[mark; 32]]), &[], entry)
    }

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
        assert_eq!(admit(&ledger, 1, &entry(1)).unwrap(), Admission::Admitted);
        for ledger in [ledger, Ledger::open(dir.path().into()).unwrap()] {
            assert_eq!(admit(&ledger, 1, &entry(2)).unwrap(), Admission::Replayed);
            assert_eq!(admit(&ledger, 1, &entry(1)).unwrap(), Admission::Replayed);
            assert_eq!(admit(&ledger, 2, &entry(1)).unwrap(), Admission::Replayed);
            assert!(ledger.knows(RunId(Uuid::from_u128(1))));
            assert!(!ledger.knows(RunId(Uuid::from_u128(2))));
        }
    }

    #[test]
    fn unanswered_runs_are_known_until_the_server_has_the_answer() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path().into()).unwrap();
        admit(&ledger, 1, &entry(1)).unwrap();
        assert_eq!(ledger.unanswered(), [entry(1)]);
        assert!(ledger.mark_answered(entry(1).run).unwrap());
        assert!(!ledger.mark_answered(entry(9).run).unwrap());
        assert_eq!(Ledger::open(dir.path().into()).unwrap().unanswered(), []);
    }

    #[test]
    fn only_what_is_over_and_answered_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path().into()).unwrap();
        admit(&ledger, 1, &entry(1)).unwrap();
        admit(&ledger, 2, &entry(2)).unwrap();
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
        assert_eq!(admit(&ledger, 7, &entry(1)).unwrap(), Admission::Replayed);
    }

    #[test]
    fn an_order_that_cannot_be_written_is_not_admitted() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path().into()).unwrap();
        fs::remove_dir(dir.path()).unwrap();
        assert!(admit(&ledger, 1, &entry(1)).is_err());
        assert!(!ledger.knows(entry(1).run));
    }

    #[test]
    fn each_signature_orders_once_whichever_others_stand_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path().into()).unwrap();
        let marks = |marks: &[u8]| marks.iter().map(|mark| [*mark; 32]).collect::<BTreeSet<_>>();
        let admit =
            |ledger: &Ledger, all, run| ledger.admit(&marks(all), &[], &entry(run)).unwrap();
        assert_eq!(admit(&ledger, &[1, 2], 1), Admission::Admitted);
        for ledger in [ledger, Ledger::open(dir.path().into()).unwrap()] {
            for some in [&[1][..], &[2], &[2, 3], &[1, 2]] {
                assert_eq!(admit(&ledger, some, 2), Admission::Replayed, "{some:?}");
            }
        }
        let ledger = Ledger::open(dir.path().into()).unwrap();
        assert_eq!(admit(&ledger, &[3], 3), Admission::Admitted, "signed anew");
        ledger.mark_answered(entry(1).run).unwrap();
        let runs =
            |ledger: &Ledger| ledger.unanswered().iter().map(|it| it.run).collect::<Vec<_>>();
        assert_eq!(runs(&Ledger::open(dir.path().into()).unwrap()), [entry(3).run]);
        assert_eq!(ledger.purge(datetime!(2030-01-03 00:00 UTC)).unwrap(), [entry(1).run]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "both of its files are gone");
        assert_eq!(admit(&ledger, &[2], 4), Admission::Admitted);
    }

    #[test]
    fn an_answer_that_was_noted_in_one_of_two_files_is_noted() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(dir.path().into()).unwrap();
        ledger.admit(&BTreeSet::from([[1; 32], [2; 32]]), &[], &entry(1)).unwrap();
        let answered = Entry { answered: true, ..entry(1) };
        for (one, other) in [([1; 32], [2; 32]), ([2; 32], [1; 32])] {
            ledger.write(&one, &answered).unwrap();
            ledger.write(&other, &entry(1)).unwrap();
            assert_eq!(Ledger::open(dir.path().into()).unwrap().unanswered(), []);
        }
    }

    #[test]
    fn what_an_older_agent_took_stays_taken() {
        let dir = tempfile::tempdir().unwrap();
        let old = serde_json::to_vec(&entry(1)).unwrap();
        fs::write(dir.path().join(file_name(&[7; 32])), old).unwrap();
        let ledger = Ledger::open(dir.path().into()).unwrap();
        let marks = BTreeSet::from([[1; 32]]);
        let again = ledger.admit(&marks, &[[6; 32], [7; 32]], &entry(2)).unwrap();
        assert_eq!(again, Admission::Replayed);
        assert_eq!(ledger.unanswered(), [entry(1)]);
        let new = ledger.admit(&marks, &[[6; 32], [5; 32]], &entry(2)).unwrap();
        assert_eq!(new, Admission::Admitted);
    }
}
