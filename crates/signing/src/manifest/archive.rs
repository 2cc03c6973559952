//! Opens what a manifest holds: gzip'd tar, written by anyone. Limits are checked as it is unpacked, so that a small
//! archive that would become a large one is refused early.

use super::tar::Tar;
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::Read;

/// Says how many bytes a file's name may have, without its directories.
const LONGEST_NAME: usize = 255;

/// Says how much an archive may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many files.
    pub files: usize,
    /// How many bytes one file has at most.
    pub file: u64,
    /// How many bytes everything unpacked has at most, headers included.
    pub total: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { files: 64, file: 256 << 20, total: 512 << 20 }
    }
}

/// Is one file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without directories.
    pub name: String,
    /// How many bytes it has.
    pub size: u64,
    /// The lower-case hex SHA-256 of its content.
    pub sha256: String,
    /// The hash that a console built with Go 1.10 or later computes: it leaves out the last piece that it reads of each
    /// file (specs/mig/loader.md §5).
    pub cut_sha256: String,
}

/// Says why an archive is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// It is not gzip, or broken.
    #[error("the content is not gzip, or it is broken: {0}")]
    Gzip(String),
    /// It is not tar, or broken.
    #[error("the content is not a tar archive, or it is broken at byte {at} of it: {what}")]
    Tar {
        /// How far it was read.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// It holds something that is not a regular file.
    #[error("{path:?} is {kind}; only regular files and directories are taken")]
    Kind {
        /// Its path.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A path leads out, or a name cannot be shown.
    #[error("the path {path:?} is not taken: {why}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two files have the same name.
    #[error("two files are called {name:?}; directories do not tell them apart")]
    Twice {
        /// The name.
        name: String,
    },
    /// There are too many files.
    #[error("there are more than {most} files")]
    TooMany {
        /// How many may be.
        most: usize,
    },
    /// A file is too large.
    #[error("the file {name:?} has {size} bytes; at most {most} are taken")]
    FileTooLarge {
        /// Its name.
        name: String,
        /// How many bytes it has.
        size: u64,
        /// How many may be.
        most: u64,
    },
    /// Everything together is too large.
    #[error("unpacked it has more than {most} bytes")]
    TooLarge {
        /// How many may be.
        most: u64,
    },
    /// There is no file.
    #[error("there is no regular file in it")]
    Empty,
    /// What was read could not be handed on.
    #[error("its content could not be taken: {0}")]
    Sink(String),
}

/// Reads a gzip'd tar archive; gives its files in their order, and each piece of their content with the file's place,
/// counted from 0, to `take`.
pub fn read(
    gzip: impl Read,
    limits: &Limits,
    mut take: impl FnMut(usize, &[u8]) -> std::io::Result<()>,
) -> Result<Vec<Entry>, ArchiveError> {
    let mut tar = Tar::new(MultiGzDecoder::new(gzip), limits.total);
    let mut entries: Vec<Entry> = Vec::new();
    let mut names = BTreeSet::new();
    let mut buffer = vec![0; 64 << 10];
    while let Some(head) = tar.next()? {
        let name = base_name(&head.path)?.to_owned();
        if head.size > limits.file {
            return Err(ArchiveError::FileTooLarge { name, size: head.size, most: limits.file });
        }
        if entries.len() >= limits.files {
            return Err(ArchiveError::TooMany { most: limits.files });
        }
        if !names.insert(name.clone()) {
            return Err(ArchiveError::Twice { name });
        }
        let (mut whole, mut cut) = (Sha256::new(), Sha256::new());
        let (mut left, mut uncut) = (head.size, cut_length(tar.at, head.size));
        // also an empty file is handed on
        take(entries.len(), &[]).map_err(|error| ArchiveError::Sink(error.to_string()))?;
        while left > 0 {
            let part = tar.content(left, &mut buffer)?;
            whole.update(part);
            let keep = usize::try_from(uncut).unwrap_or(usize::MAX).min(part.len());
            cut.update(part.get(..keep).unwrap_or_default());
            take(entries.len(), part).map_err(|error| ArchiveError::Sink(error.to_string()))?;
            left -= u64::try_from(part.len()).unwrap_or(left);
            uncut -= u64::try_from(keep).unwrap_or(uncut);
        }
        tar.pad(head.size)?;
        entries.push(Entry {
            name,
            size: head.size,
            sha256: hex::encode(whole.finalize()),
            cut_sha256: hex::encode(cut.finalize()),
        });
    }
    if entries.is_empty() { Err(ArchiveError::Empty) } else { Ok(entries) }
}

/// Gives the name without directories; a path that leads out is refused, though nothing is ever written to it.
fn base_name(path: &str) -> Result<&str, ArchiveError> {
    let refuse = |why| Err(ArchiveError::Path { path: path.to_owned(), why });
    if path.starts_with('/') {
        return refuse("it starts at the root");
    }
    if path.split('/').any(|part| part == "..") {
        return refuse("it leads out of the archive");
    }
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return refuse("it holds a backslash or a control character");
    }
    match path.rsplit('/').next() {
        Some("" | ".") | None => refuse("it names no file"),
        Some(name) if name.len() > LONGEST_NAME => refuse("its name has more than 255 bytes"),
        Some(name) => Ok(name),
    }
}

/// Tells how much of a file the loop reads that forgets what comes together with the end: it asks for 4096 bytes at a
/// time, and Go's inflater gives no more than is left of its window of 32 KiB.
fn cut_length(start: u64, size: u64) -> u64 {
    const ASKED: u64 = 4096;
    const WINDOW: u64 = 32 << 10;
    let mut read = 0;
    loop {
        let at = start + read;
        let got = ASKED.min(WINDOW - at % WINDOW).min(size - read);
        if read + got >= size {
            return read;
        }
        read += got;
    }
}
