//! The agent's own directory: token, ledger, spool, plugins.
//!
//! Whoever can read it can act as this agent, whoever can write it can make it forget what it ran: only the agent's
//! user may do either, and only one agent at a time.

use anyhow::{Context as _, bail};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Is the opened state directory; held by one agent until it is dropped.
#[derive(Debug)]
pub(crate) struct StateDir {
    root: PathBuf,
    _lock: File,
}

impl StateDir {
    /// Opens `root`, making it when it is not there; refuses one that others can read or write, or that is in use.
    pub(crate) fn open(root: &Path) -> anyhow::Result<Self> {
        make_private(root)?;
        refuse_shared(root)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(root.join("lock"))
            .with_context(|| format!("cannot open {}", root.join("lock").display()))?;
        if let Err(error) = lock.try_lock() {
            bail!("another agent works in {} ({error}); stop it first", root.display());
        }
        let state = Self { root: root.to_owned(), _lock: lock };
        for part in ["ledger", "spool", "answers", "plugins", "tmp"] {
            let dir = state.dir(part);
            make_private(&dir)?;
            remove_leftovers(&dir, part == "tmp")
                .with_context(|| format!("cannot clear {}", dir.display()))?;
        }
        Ok(state)
    }

    /// Gives the directory of one part.
    pub(crate) fn dir(&self, part: &'static str) -> PathBuf {
        self.root.join(part)
    }

    /// Reads the token; none when the agent is not enrolled.
    pub(crate) fn token(&self) -> anyhow::Result<Option<String>> {
        let path = self.root.join(TOKEN);
        match fs::read_to_string(&path) {
            Ok(token) => Ok(Some(token.trim().to_owned()).filter(|token| !token.is_empty())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Keeps the token, readable for the agent's user only.
    pub(crate) fn keep_token(&self, token: &str) -> anyhow::Result<()> {
        write_durably(&self.root, TOKEN, token.as_bytes())
            .with_context(|| format!("cannot write {}", self.root.join(TOKEN).display()))
    }
}

const TOKEN: &str = "token";
const UNFINISHED: &str = ".new-";

/// Writes a file so that after a crash it is there whole or not at all; mode 0600.
pub(crate) fn write_durably(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(dir.join(name)).map_err(|failed| failed.error)?;
    sync_dir(dir)
}

/// Makes renames and removals in `dir` last.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn make_private(dir: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make the directory {}", dir.display()))
}

/// Refuses a directory that others may write to or that holds anything others may read.
fn refuse_shared(root: &Path) -> anyhow::Result<()> {
    let about = |path: &Path| {
        fs::symlink_metadata(path).with_context(|| format!("cannot look at {}", path.display()))
    };
    let own = about(root)?;
    if !own.is_dir() {
        bail!("{} is not a directory", root.display());
    }
    let user = nix::unistd::geteuid().as_raw();
    if own.uid() != user {
        bail!("{} belongs to user {}, the agent runs as user {user}", root.display(), own.uid());
    }
    if own.mode() & 0o022 != 0 {
        bail!("others may write to {}; run: chmod 700 {0}", root.display());
    }
    let entries = fs::read_dir(root).with_context(|| format!("cannot list {}", root.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", root.display()))?.path();
        refuse_shared_entry(&path, &about(&path)?)?;
    }
    Ok(())
}

fn refuse_shared_entry(path: &Path, about: &Metadata) -> anyhow::Result<()> {
    if about.file_type().is_symlink() {
        bail!("{} is a symbolic link; the agent's state must be real files", path.display());
    }
    if about.mode() & 0o077 != 0 {
        bail!("others may read or write {}; run: chmod go= {0}", path.display());
    }
    Ok(())
}

/// Removes what a killed agent left half written.
fn remove_leftovers(dir: &Path, everything: bool) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !everything && !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn makes_a_private_directory_and_keeps_the_token_in_it() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("a/state");
        let state = StateDir::open(&root).unwrap();
        assert_eq!(state.token().unwrap(), None);
        state.keep_token("secret").unwrap();
        assert_eq!(state.token().unwrap().as_deref(), Some("secret"));
        assert_eq!(fs::metadata(&root).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(root.join("token")).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(root.join("ledger")).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn refuses_what_others_can_read_or_write() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("state");
        drop(StateDir::open(&root).unwrap());
        for (path, bad, good) in [("", 0o777, 0o755), ("ledger", 0o750, 0o700)] {
            let path = root.join(path);
            chmod(&path, bad);
            let error = StateDir::open(&root).unwrap_err().to_string();
            assert!(error.contains("chmod"), "{error}");
            chmod(&path, good);
        }
        fs::write(root.join("token"), "t").unwrap();
        chmod(&root.join("token"), 0o644);
        assert!(StateDir::open(&root).unwrap_err().to_string().contains("token"));
        chmod(&root.join("token"), 0o600);
        drop(StateDir::open(&root).unwrap());
        std::os::unix::fs::symlink("/etc/hosts", root.join("spool2")).unwrap();
        assert!(StateDir::open(&root).unwrap_err().to_string().contains("symbolic link"));
    }

    #[test]
    fn one_agent_at_a_time() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("state");
        let first = StateDir::open(&root).unwrap();
        assert!(StateDir::open(&root).unwrap_err().to_string().contains("another agent"));
        drop(first);
        StateDir::open(&root).unwrap();
    }

    #[test]
    fn clears_what_a_killed_agent_left() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("state");
        drop(StateDir::open(&root).unwrap());
        fs::write(root.join("spool/.new-abc"), "half").unwrap();
        fs::write(root.join("spool/kept.json"), "whole").unwrap();
        fs::create_dir(root.join("tmp/run")).unwrap();
        drop(StateDir::open(&root).unwrap());
        assert!(!root.join("spool/.new-abc").exists() && !root.join("tmp/run").exists());
        assert!(root.join("spool/kept.json").exists());
    }
}
