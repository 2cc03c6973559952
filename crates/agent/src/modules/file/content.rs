//! Reads a file once, for all hashes and all content checks of all searches.

use super::hashes::Algorithm;
use crate::modules::Limit;
use flate2::read::MultiGzDecoder;
use nix::fcntl::OFlag;
use regex::bytes::Regex;
use sha2::digest::DynDigest;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Says how much of a line is looked at in one piece; a longer one is looked at in pieces of this size.
const LONGEST_LINE: usize = 1024 * 1024;
/// Says how much a compressed file may inflate to.
const MOST_INFLATED: u64 = 4 * 1024 * 1024 * 1024;

/// Is what to find out about a content, and then what was found.
#[derive(Default)]
pub(super) struct Reading<'a> {
    lines: Vec<LineCheck<'a>>,
    hashes: BTreeMap<Algorithm, Box<dyn DynDigest>>,
    unfinished: Vec<u8>,
    any_line: bool,
}

/// Says which lines have to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    /// At least one.
    Some,
    /// Not one; MIG's leading `!`.
    None,
    /// All, and there is at least one; MIG's option `macroal`.
    Every,
}

struct LineCheck<'a> {
    regex: &'a Regex,
    which: Lines,
    some_matched: bool,
    some_did_not: bool,
}

/// Says why a content was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The time is over.
    #[error("stopped")]
    Stopped,
}

impl<'a> Reading<'a> {
    /// Asks for lines that match.
    pub(super) fn add_regex(&mut self, regex: &'a Regex, which: Lines) {
        self.lines.push(LineCheck { regex, which, some_matched: false, some_did_not: false });
    }

    /// Asks for a hash.
    pub(super) fn add_hash(&mut self, algorithm: Algorithm) {
        self.hashes.entry(algorithm).or_insert_with(|| algorithm.start());
    }

    /// Reads; then answers as [`Answers`] in the order of the questions.
    pub(super) fn read(
        mut self,
        source: &mut dyn Read,
        limit: &Limit,
    ) -> Result<Answers, ReadError> {
        let mut buffer = vec![0; 64 * 1024];
        while !self.hashes.is_empty() || self.lines.iter().any(|line| !line.is_decided()) {
            if limit.is_over() {
                return Err(ReadError::Stopped);
            }
            let read = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let block = buffer.get(..read).unwrap_or_default();
            for hash in self.hashes.values_mut() {
                hash.update(block);
            }
            self.split(block);
        }
        if !self.unfinished.is_empty() {
            let line = std::mem::take(&mut self.unfinished);
            self.look_at(&line);
        }
        Ok(Answers {
            lines: self.lines.iter().map(|line| line.holds(self.any_line)).collect(),
            hashes: self
                .hashes
                .into_iter()
                .map(|(algorithm, hash)| (algorithm, hash.finalize().into_vec()))
                .collect(),
        })
    }

    fn split(&mut self, block: &[u8]) {
        if self.lines.iter().all(LineCheck::is_decided) {
            return;
        }
        for piece in block.split_inclusive(|byte| *byte == b'\n') {
            if self.unfinished.is_empty() && piece.ends_with(b"\n") {
                self.look_at(piece);
                continue;
            }
            self.unfinished.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.unfinished.len() >= LONGEST_LINE {
                let mut line = std::mem::take(&mut self.unfinished);
                self.look_at(&line);
                line.clear();
                self.unfinished = line;
            }
        }
    }

    fn look_at(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.any_line = true;
        for check in self.lines.iter_mut().filter(|check| !check.is_decided()) {
            if check.regex.is_match(line) {
                check.some_matched = true;
            } else {
                check.some_did_not = true;
            }
        }
    }
}

impl LineCheck<'_> {
    /// Tells whether no further line can change the answer.
    fn is_decided(&self) -> bool {
        match self.which {
            Lines::Some | Lines::None => self.some_matched,
            Lines::Every => self.some_did_not,
        }
    }

    /// Tells whether the check holds.
    fn holds(&self, any_line: bool) -> bool {
        match self.which {
            Lines::Some => self.some_matched,
            Lines::None => !self.some_matched,
            Lines::Every => any_line && !self.some_did_not,
        }
    }
}

/// Is what was found in a content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answers {
    /// One per expression: whether it holds.
    pub(super) lines: Vec<bool>,
    /// The hashes.
    pub(super) hashes: BTreeMap<Algorithm, Vec<u8>>,
}

/// Opens a regular file and nothing else: no link, and neither device nor fifo even when one was put there just now.
pub(super) fn open(path: &Path, decompress: bool) -> io::Result<Box<dyn Read>> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if decompress && is_gzip(&mut file)? {
        return Ok(Box::new(Inflated { source: MultiGzDecoder::new(file), left: MOST_INFLATED }));
    }
    Ok(Box::new(file))
}

fn is_gzip(file: &mut File) -> io::Result<bool> {
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start == [0x1f, 0x8b])
}

struct Inflated {
    source: MultiGzDecoder<File>,
    left: u64,
}

impl Read for Inflated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.left = u64::try_from(read)
            .ok()
            .and_then(|read| self.left.checked_sub(read))
            .ok_or_else(|| io::Error::other("it inflates to more than 4 GiB"))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    fn limit() -> Limit {
        Limit {
            until: Instant::now() + Duration::from_mins(1),
            stop: Arc::new(AtomicBool::new(false)),
            max_output: 1024,
        }
    }

    fn holds(text: &[u8], regex: &str, which: Lines) -> bool {
        let regex = Regex::new(regex).unwrap();
        let mut reading = Reading::default();
        reading.add_regex(&regex, which);
        reading.read(&mut &*text, &limit()).unwrap().lines[0]
    }

    #[test]
    fn lines_match_as_in_mig() {
        for (text, regex, which, want) in [
            ("a\nb\n", "^b$", Lines::Some, true),
            ("a\r\nb\r\n", "^a$", Lines::Some, true),
            ("a\nb", "c", Lines::Some, false),
            ("a\nb", "c", Lines::None, true),
            ("a\nb", "^b", Lines::None, false),
            ("a\nab\n", "a", Lines::Every, true),
            ("a\nb\n", "a", Lines::Every, false),
            ("a\n\n", "a", Lines::Every, false),
            ("", "", Lines::Some, false),
            ("", "a", Lines::None, true),
            ("", "", Lines::Every, false),
        ] {
            assert_eq!(holds(text.as_bytes(), regex, which), want, "{text:?} {regex} {which:?}");
        }
    }

    #[test]
    fn lines_over_buffer_borders_and_bytes_that_are_no_text() {
        let mut text = vec![b'x'; 65_530];
        text.extend_from_slice(b"\xff\xfeneedle-in-the-hay\xff\nend");
        assert!(holds(&text, "needle-in-the-hay", Lines::Some));
        assert!(holds(&text, "^end$", Lines::Some));
        let long = [vec![b'x'; LONGEST_LINE * 2], b"tail".to_vec()].concat();
        assert!(holds(&long, "tail$", Lines::Some));
    }

    #[test]
    fn hashes_see_everything_though_lines_are_decided_early() {
        let text = b"first\n".repeat(100_000);
        let regex = Regex::new("first").unwrap();
        let mut reading = Reading::default();
        reading.add_regex(&regex, Lines::Some);
        reading.add_hash(Algorithm::Sha256);
        let answers = reading.read(&mut &*text, &limit()).unwrap();
        let mut want = Algorithm::Sha256.start();
        want.update(&text);
        assert_eq!(answers.hashes[&Algorithm::Sha256], want.finalize().to_vec());
        assert_eq!(answers.lines, [true]);
    }

    #[test]
    fn stops_when_told() {
        let limit = limit();
        limit.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let mut reading = Reading::default();
        reading.add_hash(Algorithm::Md5);
        assert!(matches!(reading.read(&mut &b"x"[..], &limit), Err(ReadError::Stopped)));
    }

    #[test]
    fn opens_regular_files_only() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        nix::unistd::mkfifo(&dir.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(open(&file, true).is_ok());
        for other in [link, dir.path().join("fifo"), dir.path().into(), "/dev/null".into()] {
            assert!(open(&other, false).is_err(), "{}", other.display());
        }
    }
}
