//! Plugins: immutable Python programs that agents fetch by id and check by hash.

use crate::PluginId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Publishes a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlugin {
    /// Its name, 1–256 bytes.
    pub name: String,
    /// Its version, any text up to 64 bytes.
    pub version: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// The Python source, up to 1 MiB; it defines `class Plugin`.
    pub script: String,
    /// Command names and the methods they call.
    pub commands: BTreeMap<String, NewPluginCommand>,
}

/// Is one command of a [`NewPlugin`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPluginCommand {
    /// The method of `Plugin` to call; a public Python identifier.
    pub function: String,
}

/// Is a published plugin without its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginView {
    /// The id; a change is a new plugin with a new id.
    pub id: PluginId,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does.
    pub description: String,
    /// Lower-case hex of the SHA-512 of the source's UTF-8 bytes.
    pub hash: String,
    /// By command key `<plugin id>.<name>`.
    pub commands: BTreeMap<String, PluginCommand>,
}

/// Is one command of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginCommand {
    /// The command key `<plugin id>.<name>`, which is an operation's `module`.
    pub id: String,
    /// The name it was published under.
    pub name: String,
    /// The method of `Plugin` to call.
    pub function: String,
}

/// Is a plugin as agents fetch it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginDocument {
    /// The id that was asked for.
    pub id: PluginId,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it does.
    pub description: String,
    /// Lower-case hex of the SHA-512 of `script`.
    pub hash: String,
    /// The Python source.
    pub script: String,
    /// By command key; an object even when empty.
    pub commands: BTreeMap<String, PluginCommand>,
}
