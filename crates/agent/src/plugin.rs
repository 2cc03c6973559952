//! Fetches plugins, checks their hash and keeps them.
//!
//! `plugins/<id>.json` says which source an id stands for; the source lies in `plugins/<its SHA-512>.py`. Plugins are
//! immutable, so an id that comes with another source later is refused, and so is a source whose file was changed.
//! A list of allowed hashes, when there is one, takes the choice of what may run from the server altogether; so does
//! the demand that a trusted key has signed a plugin's hash.
//!
//! Long because what decides whether a source may run stands in one place.

use crate::backoff::{Backoff, Pace};
use crate::client::{CallError, Client};
use crate::state::write_durably;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha512};
use signing::{KeySet, Policy};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;
use types::api::plugin::PluginDocument;
use types::{Clock, PluginId};

/// Keeps the plugins of this agent.
#[derive(Debug)]
pub(crate) struct Plugins {
    dir: PathBuf,
    client: Client,
    policy: PluginPolicy,
    pace: Pace,
    assigned: Mutex<BTreeSet<PluginId>>,
}

/// Says which plugins may run, whatever the server assigns.
#[derive(Debug, Clone, Default)]
pub(crate) struct PluginPolicy {
    /// The SHA-512s that may run, in lower-case hexadecimal; all when there is none.
    pub(crate) allowed: Option<BTreeSet<String>>,
    /// Whose signature over the SHA-512 a plugin needs; none when there is none.
    pub(crate) signers: Option<Signers>,
}

/// Says whose signatures count.
#[derive(Debug, Clone)]
pub(crate) struct Signers {
    /// The pinned keys.
    pub(crate) keys: KeySet,
    /// Which signatures by them.
    pub(crate) policy: Policy,
    /// The time.
    pub(crate) clock: Clock,
}

impl Signers {
    /// Tells whether one of the signatures counts.
    fn vouch(&self, pin: &Pin) -> bool {
        let now = self.clock.now();
        pin.signatures
            .iter()
            .take(MOST_SIGNATURES)
            .any(|line| self.keys.verify(line, pin.hash.as_bytes(), now, &self.policy).is_ok())
    }
}

/// Is a command of a plugin, ready to run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// The source; its hash was checked just now.
    pub(crate) source: String,
    /// The method to call.
    pub(crate) function: String,
}

/// Says why a plugin's command cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PluginError {
    /// The server does not give it to this agent.
    #[error("plugin {0} is not assigned to this agent")]
    NotAssigned(PluginId),
    /// It has no such command.
    #[error("plugin {0} has no command '{1}'")]
    NoCommand(PluginId, String),
    /// Its command calls something it must not.
    #[error("plugin {0}: '{1}' is not the name of a public function")]
    Function(PluginId, String),
    /// The document is of another plugin.
    #[error("the server sent plugin {1} instead of {0}")]
    OtherPlugin(PluginId, PluginId),
    /// The source is not what the document says.
    #[error("plugin {0} is refused: its SHA-512 is not the one announced")]
    Hash(PluginId),
    /// The source was another one before.
    #[error("plugin {0} is refused: its source changed, which a plugin never does")]
    Changed(PluginId),
    /// The hash is not on the list.
    #[error("plugin {0} is refused: SHA-512 {1} is not allowed on this machine")]
    NotAllowed(PluginId, String),
    /// Nobody vouches for it.
    #[error("plugin {0} is refused: no key that is trusted on this machine has signed it")]
    Unsigned(PluginId),
    /// It is too long.
    #[error("plugin {0} is refused: its source has more than {MAX_SOURCE} bytes")]
    TooLong(PluginId),
    /// The server did not give it in time.
    #[error("plugin {0} cannot be fetched: {1}")]
    Fetch(PluginId, CallError),
    /// The disk does not play along.
    #[error("plugin {0} cannot be kept: {1}")]
    Disk(PluginId, io::Error),
}

/// Says which source an id stands for.
#[derive(Debug, Serialize, Deserialize)]
struct Pin {
    hash: String,
    functions: BTreeMap<String, String>,
    #[serde(default)]
    signatures: Vec<String>,
}

const MOST_SIGNATURES: usize = 64;
const MAX_SOURCE: usize = 2 * 1024 * 1024;
const PREFETCH: usize = 200;

impl Plugins {
    /// Keeps plugins in `dir`; `policy` says which may run.
    pub(crate) fn new(dir: PathBuf, client: Client, policy: PluginPolicy, pace: Pace) -> Self {
        Self { dir, client, policy, pace, assigned: Mutex::default() }
    }

    /// Gives a command of a plugin; fetches the plugin when it is not at hand, trying until `until`.
    pub(crate) async fn load(
        &self,
        id: PluginId,
        command: &str,
        until: Instant,
    ) -> Result<Loaded, PluginError> {
        let assigned = self.assigned().contains(&id);
        let kept = if assigned { self.kept(id)? } else { None };
        // one that was signed since is fetched once more
        let (pin, source) = match kept.filter(|(pin, _)| self.is_vouched_for(pin)) {
            Some(kept) => kept,
            None => self.fetch(id, until).await?,
        };
        if !self.is_vouched_for(&pin) {
            return Err(PluginError::Unsigned(id));
        }
        if self.policy.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&pin.hash)) {
            return Err(PluginError::NotAllowed(id, pin.hash));
        }
        let function = pin.functions.get(command);
        let function = function.ok_or_else(|| PluginError::NoCommand(id, command.into()))?;
        if !is_public_name(function) {
            return Err(PluginError::Function(id, function.clone()));
        }
        Ok(Loaded { source, function: function.clone() })
    }

    fn is_vouched_for(&self, pin: &Pin) -> bool {
        self.policy.signers.as_ref().is_none_or(|signers| signers.vouch(pin))
    }

    /// Learns which plugins are assigned, fetches those that are new and drops the sources of the others.
    pub(crate) async fn sync(&self) -> Result<(), CallError> {
        let views = self.client.plugins().await?;
        let ids: BTreeSet<PluginId> = views.iter().map(|view| view.id).collect();
        self.assigned().retain(|id| ids.contains(id));
        let mut used = BTreeSet::new();
        for id in ids.into_iter().take(PREFETCH) {
            self.assigned().insert(id);
            let kept = self.kept(id);
            let pin = match kept {
                Ok(Some((pin, _))) => Ok(pin),
                Ok(None) => self.fetch(id, Instant::now()).await.map(|(pin, _)| pin),
                Err(error) => Err(error),
            };
            match pin {
                Ok(pin) => {
                    used.insert(pin.hash);
                }
                Err(PluginError::Fetch(_, CallError::Unauthorized)) => {
                    return Err(CallError::Unauthorized);
                }
                Err(error) => tracing::warn!(%error, "plugin not ready"),
            }
        }
        if let Err(error) = self.drop_unused(&used) {
            tracing::warn!(%error, "old plugins are left over");
        }
        Ok(())
    }

    /// Fetches a plugin, checks it and keeps it.
    async fn fetch(&self, id: PluginId, until: Instant) -> Result<(Pin, String), PluginError> {
        let mut backoff = Backoff::new(self.pace);
        let document = loop {
            match self.client.plugin(id).await {
                Ok(Some(document)) => break document,
                Ok(None) => {
                    self.assigned().remove(&id);
                    return Err(PluginError::NotAssigned(id));
                }
                Err(error @ CallError::Unauthorized) => return Err(PluginError::Fetch(id, error)),
                Err(error) => {
                    let again = Instant::now() + backoff.wait(error.retry_after());
                    if again >= until {
                        return Err(PluginError::Fetch(id, error));
                    }
                    tokio::time::sleep_until(again).await;
                }
            }
        };
        let (pin, source) = self.keep(id, document)?;
        self.assigned().insert(id);
        Ok((pin, source))
    }

    /// Checks a fetched document and keeps it.
    fn keep(&self, id: PluginId, document: PluginDocument) -> Result<(Pin, String), PluginError> {
        if document.id != id {
            return Err(PluginError::OtherPlugin(id, document.id));
        }
        if document.script.len() > MAX_SOURCE {
            return Err(PluginError::TooLong(id));
        }
        let hash = hash(document.script.as_bytes());
        if hash != document.hash {
            return Err(PluginError::Hash(id));
        }
        let disk = |error| PluginError::Disk(id, error);
        if self.pin(id).map_err(disk)?.is_some_and(|pin| pin.hash != hash) {
            return Err(PluginError::Changed(id));
        }
        let commands = document.commands.into_iter();
        let functions = commands.map(|(key, command)| (key, command.function)).collect();
        let pin = Pin { hash, functions, signatures: document.signatures };
        let written = write_durably(&self.dir, &source_name(&pin.hash), document.script.as_bytes());
        written.map_err(disk)?;
        let text = serde_json::to_vec(&pin).map_err(|error| disk(error.into()))?;
        write_durably(&self.dir, &pin_name(id), &text).map_err(disk)?;
        Ok((pin, document.script))
    }

    /// Gives a plugin that is at hand; none when a part of it is missing or was changed.
    fn kept(&self, id: PluginId) -> Result<Option<(Pin, String)>, PluginError> {
        let disk = |error| PluginError::Disk(id, error);
        let Some(pin) = self.pin(id).map_err(disk)? else { return Ok(None) };
        let source = match fs::read(self.dir.join(source_name(&pin.hash))) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(disk(error)),
        };
        if hash(&source) != pin.hash {
            tracing::error!(plugin.id = %id, "the plugin's file was changed on this machine; fetching it again");
            return Ok(None);
        }
        Ok(String::from_utf8(source).ok().map(|source| (pin, source)))
    }

    fn pin(&self, id: PluginId) -> io::Result<Option<Pin>> {
        match fs::read(self.dir.join(pin_name(id))) {
            Ok(text) => {
                let pin: Option<Pin> = serde_json::from_slice(&text).ok();
                Ok(pin.filter(|pin| is_hash(&pin.hash)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Drops sources that no assigned plugin has; what ids stand for is remembered.
    fn drop_unused(&self, used: &BTreeSet<String>) -> io::Result<()> {
        for file in fs::read_dir(&self.dir)? {
            let file = file?;
            let name = file.file_name();
            let hash = name.to_str().and_then(|name| name.strip_suffix(".py"));
            if hash.is_some_and(|hash| !used.contains(hash)) {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }

    fn assigned(&self) -> std::sync::MutexGuard<'_, BTreeSet<PluginId>> {
        self.assigned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a list of allowed hashes: one in each line, in hexadecimal; what follows a `#` is ignored.
pub(crate) fn read_allowed(text: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut allowed = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let hash = line.split('#').next().unwrap_or_default().trim().to_ascii_lowercase();
        if hash.is_empty() {
            continue;
        }
        anyhow::ensure!(is_hash(&hash), "line {} is not a SHA-512 in hexadecimal", number + 1);
        allowed.insert(hash);
    }
    Ok(allowed)
}

fn hash(source: &[u8]) -> String {
    hex::encode(Sha512::digest(source))
}

fn is_hash(text: &str) -> bool {
    text.len() == 128 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn source_name(hash: &str) -> String {
    format!("{hash}.py")
}

fn pin_name(id: PluginId) -> String {
    format!("{id}.json")
}

/// Tells whether a name is a Python identifier that does not start with an underscore.
fn is_public_name(name: &str) -> bool {
    name.len() <= 256
        && name.starts_with(|first: char| first.is_alphabetic())
        && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::api::plugin::PluginCommand;
    use uuid::Uuid;

    fn plugins(dir: &std::path::Path) -> Plugins {
        let url = "http://127.0.0.1:9/".parse().unwrap();
        let server = crate::Server { url, ca_file: None, proxy: None };
        let client = Client::new(&server, "test").unwrap();
        Plugins::new(dir.into(), client, PluginPolicy::default(), Pace::default())
    }

    fn document(id: u128, script: &str) -> PluginDocument {
        let id = PluginId(Uuid::from_u128(id));
        let key = format!("{id}.greet");
        let command =
            PluginCommand { id: key.clone(), name: "greet".into(), function: "greet".into() };
        PluginDocument {
            id,
            name: "n".into(),
            version: "1".into(),
            description: String::new(),
            hash: hash(script.as_bytes()),
            script: script.into(),
            commands: BTreeMap::from([(key, command)]),
            signatures: Vec::new(),
        }
    }

    #[test]
    fn a_plugin_is_kept_by_its_hash_and_checked_again() {
        let dir = tempfile::tempdir().unwrap();
        let plugins = plugins(dir.path());
        let document = document(1, "class Plugin: pass  # ü\r\n");
        let (pin, _) = plugins.keep(document.id, document.clone()).unwrap();
        let file = dir.path().join(format!("{}.py", pin.hash));
        assert_eq!(fs::read(&file).unwrap(), document.script.as_bytes());
        assert_eq!(plugins.kept(document.id).unwrap().unwrap().1, document.script);
        fs::write(&file, "evil").unwrap();
        assert!(plugins.kept(document.id).unwrap().is_none(), "a changed file is not used");
        fs::remove_file(&file).unwrap();
        assert!(plugins.kept(document.id).unwrap().is_none());
    }

    #[test]
    fn a_document_has_to_be_what_it_says() {
        let dir = tempfile::tempdir().unwrap();
        let plugins = plugins(dir.path());
        let good = document(1, "one");
        let keep = |change: fn(&mut PluginDocument)| {
            let mut document = good.clone();
            change(&mut document);
            plugins.keep(good.id, document).unwrap_err()
        };
        assert!(matches!(keep(|it| it.script.push(' ')), PluginError::Hash(_)));
        assert!(matches!(keep(|it| it.hash = it.hash.to_uppercase()), PluginError::Hash(_)));
        assert!(matches!(keep(|it| it.hash = String::new()), PluginError::Hash(_)));
        assert!(matches!(keep(|it| it.id = PluginId(Uuid::nil())), PluginError::OtherPlugin(..)));
        let long = "#".repeat(MAX_SOURCE + 1);
        assert!(matches!(plugins.keep(good.id, document(1, &long)), Err(PluginError::TooLong(_))));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was kept");
        plugins.keep(good.id, good.clone()).unwrap();
        let other = document(1, "two");
        assert!(matches!(plugins.keep(good.id, other), Err(PluginError::Changed(_))));
        plugins.keep(good.id, good.clone()).unwrap();
    }

    #[test]
    fn what_an_id_stands_for_outlives_the_source() {
        let dir = tempfile::tempdir().unwrap();
        let plugins = plugins(dir.path());
        plugins.keep(document(1, "one").id, document(1, "one")).unwrap();
        plugins.drop_unused(&BTreeSet::new()).unwrap();
        assert!(plugins.kept(document(1, "one").id).unwrap().is_none());
        let other = plugins.keep(document(1, "two").id, document(1, "two"));
        assert!(matches!(other, Err(PluginError::Changed(_))));
    }

    #[test]
    fn only_public_functions_are_called() {
        for good in ["greet", "a_b1", "größe"] {
            assert!(is_public_name(good), "{good}");
        }
        for bad in ["", "_x", "__repr__", "a.b", "1a", "a b", "a()"] {
            assert!(!is_public_name(bad), "{bad}");
        }
    }

    #[test]
    fn lists_of_hashes() {
        let one = "a".repeat(128);
        let text = format!("# mine\n{}  # greet\n\n", one.to_uppercase());
        assert_eq!(read_allowed(&text).unwrap(), BTreeSet::from([one]));
        assert!(read_allowed("abc").unwrap_err().to_string().contains("line 1"));
    }
}
