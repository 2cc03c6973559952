//! Goes through a directory tree and finds its regular files, without loops and without leaving it.

use crate::modules::Limit;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Is a regular file that was found.
#[derive(Debug)]
pub(super) struct Candidate {
    /// How it was reached.
    pub(super) path: PathBuf,
    /// Where it lies; differs from `path` when that is a link.
    pub(super) real: PathBuf,
    /// What is known of it.
    pub(super) about: Metadata,
    /// How deep its directory is; 1 for the root's own.
    pub(super) depth: u64,
}

/// Says whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Go on.
    GoOn,
    /// Enough was found.
    Enough,
}

/// Takes what a walk meets.
pub(super) trait Visitor {
    /// Takes a file.
    fn file(&mut self, candidate: &Candidate) -> Next;
    /// Takes what could not be opened.
    fn failed(&mut self, path: &Path, error: &io::Error);
    /// Takes a remark.
    fn remark(&mut self, text: String);
}

/// Walks through `root`, at most `max_depth` directories deep, until the limit is over; `remote` says whether to enter
/// file systems of other machines that are mounted below it.
pub(super) fn walk(
    root: &Path,
    max_depth: u64,
    remote: bool,
    limit: &Limit,
    visitor: &mut dyn Visitor,
) {
    let about = match fs::symlink_metadata(root) {
        Ok(about) => about,
        Err(error) => return visitor.failed(root, &error),
    };
    if !about.is_dir() {
        if let Some(candidate) = at_root(root, about, visitor) {
            visitor.file(&candidate);
        }
        return;
    }
    // links are compared with what the root really is, since a directory on the way to it may itself be a link
    let real_root = match fs::canonicalize(root) {
        Ok(real_root) => real_root,
        Err(error) => return visitor.failed(root, &error),
    };
    let mut open = vec![(root.to_owned(), 1_u64, about.dev())];
    while let Some((dir, depth, device)) = open.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) => {
                visitor.failed(&dir, &error);
                continue;
            }
        };
        for entry in entries {
            if limit.is_over() {
                return;
            }
            let found = match entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))) {
                Ok(found) => found,
                Err(error) => {
                    visitor.failed(&dir, &error);
                    continue;
                }
            };
            let (path, about) = found;
            if about.is_dir() {
                let crosses = about.dev() != device;
                if depth < max_depth && (remote || !crosses || !is_remote(&path)) {
                    open.push((path, depth + 1, about.dev()));
                }
                continue;
            }
            if let Some(candidate) = below_root(&real_root, path, about, depth, visitor)
                && visitor.file(&candidate) == Next::Enough
            {
                return;
            }
        }
    }
}

/// Takes a root that is not a directory: a file, or a link to one, since the order names it.
fn at_root(root: &Path, about: Metadata, visitor: &mut dyn Visitor) -> Option<Candidate> {
    let (real, about) = if about.is_symlink() {
        match target(root) {
            Ok(found) => found,
            Err(error) => {
                visitor.failed(root, &error);
                return None;
            }
        }
    } else {
        (root.to_owned(), about)
    };
    if !about.is_file() {
        visitor.remark(format!(
            "warning: {} is neither a directory nor a file and was not followed",
            root.display()
        ));
        return None;
    }
    Some(Candidate { path: root.to_owned(), real, about, depth: 1 })
}

/// Takes an entry of a directory: a regular file, or a link to one that lies in the tree too.
fn below_root(
    real_root: &Path,
    path: PathBuf,
    about: Metadata,
    depth: u64,
    visitor: &mut dyn Visitor,
) -> Option<Candidate> {
    if about.is_file() {
        return Some(Candidate { real: path.clone(), path, about, depth });
    }
    if !about.is_symlink() {
        return None;
    }
    match target(&path) {
        Ok((real, about)) if about.is_file() && real.starts_with(real_root) => {
            Some(Candidate { path, real, about, depth })
        }
        Ok(_) => None,
        Err(error) => {
            visitor.failed(&path, &error);
            None
        }
    }
}

fn target(link: &Path) -> io::Result<(PathBuf, Metadata)> {
    let real = fs::canonicalize(link)?;
    let about = fs::symlink_metadata(&real)?;
    Ok((real, about))
}

#[cfg(target_os = "linux")]
fn is_remote(path: &Path) -> bool {
    use nix::sys::statfs;
    // not in nix: the numbers of linux/magic.h for AFS, Ceph, CIFS, SMB 2 and 9P
    const OTHERS: [i64; 5] = [0x5346_414F, 0x00C3_6400, 0xFF53_4D42, 0xFE53_4D42, 0x0102_1997];
    let Ok(system) = statfs::statfs(path) else { return false };
    let kind = system.filesystem_type();
    [statfs::NFS_SUPER_MAGIC, statfs::SMB_SUPER_MAGIC, statfs::FUSE_SUPER_MAGIC].contains(&kind)
        || OTHERS.contains(&kind.0)
}

#[cfg(not(target_os = "linux"))]
fn is_remote(_path: &Path) -> bool {
    false
}
