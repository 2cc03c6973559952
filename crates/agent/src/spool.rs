//! Keeps answers on disk until the server says that it has them.
//!
//! Waiting answers lie in `spool`, those the server has in `answers`, each as `<run>.json`; the latter are there for
//! a server that lost them and asks again.

use crate::state::{sync_dir, write_durably};
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use types::RunId;
use types::api::work::Return;

/// Says how many bytes of answers are kept after the server has them.
const KEEP: u64 = 256 * 1024 * 1024;
/// Says how many answers go in one call.
const BATCH: usize = 50;
/// Says how many bytes of answers go in one call, unless one alone has more; the server takes 32 MiB.
const BATCH_BYTES: u64 = 16 * 1024 * 1024;

/// Holds the answers.
#[derive(Debug)]
pub(crate) struct Spool {
    waiting_dir: PathBuf,
    kept_dir: PathBuf,
    queues: Mutex<Queues>,
    /// Is rung when an answer comes in.
    pub(crate) filled: Notify,
}

#[derive(Debug, Default)]
struct Queues {
    /// In the order they came.
    waiting: VecDeque<(RunId, u64)>,
    kept: BTreeMap<RunId, u64>,
}

impl Spool {
    /// Opens the spool: `waiting` and `kept` are its two directories.
    pub(crate) fn open(waiting: PathBuf, kept: PathBuf) -> io::Result<Self> {
        let mut queues = Queues::default();
        let mut by_age = list(&waiting)?;
        by_age.sort_by_key(|found| found.2);
        queues.waiting = by_age.into_iter().map(|(run, size, _)| (run, size)).collect();
        queues.kept = list(&kept)?.into_iter().map(|(run, size, _)| (run, size)).collect();
        Ok(Self {
            waiting_dir: waiting,
            kept_dir: kept,
            queues: Mutex::new(queues),
            filled: Notify::new(),
        })
    }

    /// Tells whether a run's answer waits to be sent.
    pub(crate) fn waits(&self, run: RunId) -> bool {
        self.lock().waiting.iter().any(|(waiting, _)| *waiting == run)
    }

    /// Tells how many answers wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Adds an answer, durably; one that waits already stays as it is.
    pub(crate) fn put(&self, answer: &Return) -> io::Result<()> {
        let mut queues = self.lock();
        if queues.waiting.iter().any(|(run, _)| *run == answer.run) {
            return Ok(());
        }
        let bytes = serde_json::to_vec(answer)?;
        write_durably(&self.waiting_dir, &file_name(answer.run), &bytes)?;
        queues.waiting.push_back((answer.run, size_of(&bytes)));
        self.filled.notify_one();
        Ok(())
    }

    /// Replaces a waiting answer.
    pub(crate) fn replace(&self, answer: &Return) -> io::Result<()> {
        let bytes = serde_json::to_vec(answer)?;
        write_durably(&self.waiting_dir, &file_name(answer.run), &bytes)?;
        if let Some(waiting) =
            self.lock().waiting.iter_mut().find(|waiting| waiting.0 == answer.run)
        {
            waiting.1 = size_of(&bytes);
        }
        Ok(())
    }

    /// Gives the oldest answers, as many as go in one call, at most `limit`.
    pub(crate) fn batch(&self, limit: usize) -> io::Result<Vec<Return>> {
        let mut total = 0_u64;
        let chosen: Vec<RunId> = self
            .lock()
            .waiting
            .iter()
            .take(limit.min(BATCH))
            .take_while(|(_, size)| {
                let first = total == 0;
                total = total.saturating_add(*size);
                first || total <= BATCH_BYTES
            })
            .map(|(run, _)| *run)
            .collect();
        let mut batch = Vec::with_capacity(chosen.len());
        for run in chosen {
            match read(&self.waiting_dir, run)? {
                Some(answer) => batch.push(answer),
                None => self.forget(run)?,
            }
        }
        Ok(batch)
    }

    /// Takes an answer that the server has out of the spool; keeps it for a while when `keep`.
    pub(crate) fn settle(&self, run: RunId, keep: bool) -> io::Result<()> {
        let mut queues = self.lock();
        let Some(place) = queues.waiting.iter().position(|(waiting, _)| *waiting == run) else {
            return Ok(());
        };
        let (from, to) =
            (self.waiting_dir.join(file_name(run)), self.kept_dir.join(file_name(run)));
        if keep {
            fs::rename(&from, &to)?;
            sync_dir(&self.kept_dir)?;
        } else {
            fs::remove_file(&from)?;
        }
        sync_dir(&self.waiting_dir)?;
        let size = queues.waiting.remove(place).map_or(0, |(_, size)| size);
        if keep {
            queues.kept.insert(run, size);
            self.shorten(&mut queues)?;
        }
        Ok(())
    }

    /// Gives an answer that the server once had; none when it is not kept any more.
    pub(crate) fn kept(&self, run: RunId) -> io::Result<Option<Return>> {
        read(&self.kept_dir, run)
    }

    /// Drops a kept answer.
    pub(crate) fn drop_kept(&self, run: RunId) -> io::Result<()> {
        if self.lock().kept.remove(&run).is_some() {
            remove(&self.kept_dir.join(file_name(run)))?;
        }
        Ok(())
    }

    /// Drops a waiting answer whose file is gone or unreadable; its run is then reported as interrupted.
    fn forget(&self, run: RunId) -> io::Result<()> {
        tracing::error!(run.id = %run, "an answer in the spool is unreadable and lost");
        self.lock().waiting.retain(|(waiting, _)| *waiting != run);
        remove(&self.waiting_dir.join(file_name(run)))
    }

    /// Drops the oldest kept answers beyond the limit; run ids are made in the order of time.
    fn shorten(&self, queues: &mut Queues) -> io::Result<()> {
        let mut total: u64 = queues.kept.values().sum();
        while total > KEEP {
            let Some((run, size)) = queues.kept.pop_first() else { break };
            remove(&self.kept_dir.join(file_name(run)))?;
            total = total.saturating_sub(size);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names a run's file; a run id is a UUID, so nothing the server says chooses a path.
fn file_name(run: RunId) -> String {
    format!("{run}.json")
}

fn size_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn read(dir: &Path, run: RunId) -> io::Result<Option<Return>> {
    match fs::read(dir.join(file_name(run))) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn list(dir: &Path) -> io::Result<Vec<(RunId, u64, std::time::SystemTime)>> {
    let mut found = Vec::new();
    for file in fs::read_dir(dir)? {
        let file = file?;
        let name = file.file_name();
        let run = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok());
        if let Some(run) = run {
            let about = file.metadata()?;
            found.push((run, about.len(), about.modified()?));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{CommandStatus, OperationResult};
    use uuid::Uuid;

    struct Dirs(tempfile::TempDir);

    impl Dirs {
        fn new() -> Self {
            let temp = tempfile::tempdir().unwrap();
            fs::create_dir(temp.path().join("spool")).unwrap();
            fs::create_dir(temp.path().join("answers")).unwrap();
            Self(temp)
        }

        fn open(&self) -> Spool {
            Spool::open(self.0.path().join("spool"), self.0.path().join("answers")).unwrap()
        }
    }

    fn answer(run: u128, size: usize) -> Return {
        Return {
            run: RunId(Uuid::from_u128(run)),
            status: CommandStatus::Success,
            results: vec![OperationResult {
                elements: "x".repeat(size).into(),
                ..OperationResult::default()
            }],
        }
    }

    fn runs(batch: &[Return]) -> Vec<u128> {
        batch.iter().map(|answer| answer.run.0.as_u128()).collect()
    }

    #[test]
    fn answers_wait_until_settled_also_over_a_restart() {
        let dirs = Dirs::new();
        let spool = dirs.open();
        spool.put(&answer(1, 10)).unwrap();
        spool.put(&answer(2, 10)).unwrap();
        spool.put(&answer(1, 99)).unwrap();
        assert_eq!(spool.batch(50).unwrap(), [answer(1, 10), answer(2, 10)]);
        spool.settle(answer(1, 0).run, true).unwrap();
        let spool = dirs.open();
        assert_eq!(runs(&spool.batch(50).unwrap()), [2]);
        assert_eq!(spool.kept(answer(1, 0).run).unwrap(), Some(answer(1, 10)));
        spool.settle(answer(2, 0).run, false).unwrap();
        assert_eq!((spool.len(), spool.kept(answer(2, 0).run).unwrap()), (0, None));
        spool.drop_kept(answer(1, 0).run).unwrap();
        assert_eq!(spool.kept(answer(1, 0).run).unwrap(), None);
    }

    #[test]
    fn a_batch_is_bounded_in_number_and_bytes() {
        let dirs = Dirs::new();
        let spool = dirs.open();
        for run in 0..60 {
            spool.put(&answer(run, 1)).unwrap();
        }
        assert_eq!(spool.batch(usize::MAX).unwrap().len(), 50);
        assert_eq!(spool.batch(1).unwrap().len(), 1);
        let dirs = Dirs::new();
        let spool = dirs.open();
        for run in 0..3 {
            spool.put(&answer(run, 9 * 1024 * 1024)).unwrap();
        }
        assert_eq!(runs(&spool.batch(50).unwrap()), [0]);
        spool.replace(&answer(0, 5)).unwrap();
        assert_eq!(runs(&spool.batch(50).unwrap()), [0, 1]);
    }

    #[test]
    fn an_unreadable_answer_does_not_block_the_others() {
        let dirs = Dirs::new();
        let spool = dirs.open();
        spool.put(&answer(1, 1)).unwrap();
        spool.put(&answer(2, 1)).unwrap();
        fs::write(dirs.0.path().join("spool").join(file_name(answer(1, 1).run)), "{").unwrap();
        assert_eq!(runs(&spool.batch(50).unwrap()), [2]);
        assert!(!spool.waits(answer(1, 1).run));
    }
}
