//! The columns of what a search finds, as MIG's clients read it.

use super::list::Rows;
use super::views::escaped;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::marker::PhantomData;

/// Names what is searched for, and what of it is shown.
pub trait Kind {
    /// Is the name in a search and of its results.
    const NAME: &'static str;
    /// Names the columns.
    const TABLE: &'static [&'static str];
    /// Names the columns of the CSV.
    const CSV: &'static [&'static str];
    /// Says where each column is in the document.
    const CELLS: &'static [&'static str];
}

/// Is a document that a search found.
#[derive(Debug, Clone)]
pub struct Found<K> {
    value: Value,
    kind: PhantomData<K>,
}

impl<'de, K> Deserialize<'de> for Found<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { value: Value::deserialize(deserializer)?, kind: PhantomData })
    }
}

impl<K: Kind> Rows for Found<K> {
    const TABLE: &'static [&'static str] = K::TABLE;
    const CSV: &'static [&'static str] = K::CSV;

    fn table(&self) -> Vec<Vec<String>> {
        self.csv().into_iter().map(escaped).collect()
    }

    fn csv(&self) -> Vec<Vec<String>> {
        vec![K::CELLS.iter().map(|cell| text(self.value.pointer(cell))).collect()]
    }
}

/// Writes a value in one cell: of an object of switches the names of those that are on.
fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(members)) => {
            let members = members.iter().filter_map(|(name, value)| match value {
                Value::Bool(on) => on.then(|| name.clone()),
                value => Some(format!("{name}={}", text(Some(value)))),
            });
            members.collect::<Vec<_>>().join(" ")
        }
        Some(other) => other.to_string(),
    }
}

/// Is an action.
#[derive(Debug, Clone)]
pub struct Actions;

impl Kind for Actions {
    const NAME: &'static str = "action";
    const TABLE: &'static [&'static str] =
        &["ID", "STATUS", "SENT", "DONE", "VALID FROM", "EXPIRES", "NAME", "TARGET"];
    const CSV: &'static [&'static str] =
        &["id", "status", "sent", "done", "valid_from", "expire_after", "name", "target"];
    const CELLS: &'static [&'static str] = &[
        "/id",
        "/status",
        "/counters/sent",
        "/counters/done",
        "/validfrom",
        "/expireafter",
        "/name",
        "/target",
    ];
}

/// Is a command.
#[derive(Debug, Clone)]
pub struct Commands;

impl Kind for Commands {
    const NAME: &'static str = "command";
    const TABLE: &'static [&'static str] =
        &["ID", "STATUS", "ACTION", "NAME", "AGENT", "AGENT NAME", "STARTED", "FINISHED"];
    const CSV: &'static [&'static str] =
        &["id", "status", "action_id", "name", "agent_id", "agent_name", "started", "finished"];
    const CELLS: &'static [&'static str] = &[
        "/id",
        "/status",
        "/action/id",
        "/action/name",
        "/agent/id",
        "/agent/name",
        "/starttime",
        "/finishtime",
    ];
}

/// Is an agent.
#[derive(Debug, Clone)]
pub struct Agents;

impl Kind for Agents {
    const NAME: &'static str = "agent";
    const TABLE: &'static [&'static str] =
        &["NUMBER", "NAME", "STATUS", "VERSION", "LAST SEEN", "OS", "TAGS"];
    const CSV: &'static [&'static str] =
        &["number", "name", "status", "version", "last_seen", "os", "tags"];
    const CELLS: &'static [&'static str] =
        &["/id", "/name", "/status", "/version", "/heartbeatts", "/environment/os", "/tags"];
}

/// Is an investigator.
#[derive(Debug, Clone)]
pub struct Investigators;

impl Kind for Investigators {
    const NAME: &'static str = "investigator";
    const TABLE: &'static [&'static str] = &["ID", "NAME", "STATUS", "FINGERPRINT", "PERMISSIONS"];
    const CSV: &'static [&'static str] = &["id", "name", "status", "fingerprint", "permissions"];
    const CELLS: &'static [&'static str] =
        &["/id", "/name", "/status", "/pgpfingerprint", "/permissions"];
}

/// Is a manifest.
#[derive(Debug, Clone)]
pub struct Manifests;

impl Kind for Manifests {
    const NAME: &'static str = "manifest";
    const TABLE: &'static [&'static str] = &["ID", "NAME", "STATUS", "TIME", "TARGET"];
    const CSV: &'static [&'static str] = &["id", "name", "status", "time", "target"];
    const CELLS: &'static [&'static str] = &["/id", "/name", "/status", "/timestamp", "/target"];
}

/// Is a loader.
#[derive(Debug, Clone)]
pub struct Loaders;

impl Kind for Loaders {
    const NAME: &'static str = "loader";
    const TABLE: &'static [&'static str] = &["ID", "NAME", "AGENT", "ENABLED", "LAST SEEN"];
    const CSV: &'static [&'static str] = &["id", "name", "agent", "enabled", "last_seen"];
    const CELLS: &'static [&'static str] = &["/id", "/name", "/agentname", "/enabled", "/lastseen"];
}
