//! Plugins: immutable Python programs that agents fetch by id and check by hash.

use crate::PluginId;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// Publishes a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlugin {
    /// Its name, 1–256 bytes.
    pub name: String,
    /// Its version: a number, or any text up to 64 bytes.
    pub version: PluginVersion,
    /// What it does.
    #[serde(default, deserialize_with = "null_as_default")]
    pub description: String,
    /// The Python source, up to 1 MiB; it defines `class Plugin`.
    pub script: String,
    /// Command names and the methods they call.
    pub commands: BTreeMap<String, NewPluginCommand>,
    /// One-line armored detached OpenPGP signatures of investigators over the hash of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<String>,
}

/// Is a plugin's version; goes out as it came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PluginVersion {
    /// A number, as the author's documentation has it.
    Number(u32),
    /// A text, as his collection has it.
    Text(String),
}

impl fmt::Display for PluginVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl From<String> for PluginVersion {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for PluginVersion {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

fn null_as_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Signs a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPluginSignature {
    /// A one-line armored detached OpenPGP signature of an investigator over the hash of the source.
    pub signature: String,
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
    pub version: PluginVersion,
    /// What it does.
    pub description: String,
    /// Lower-case hex of the SHA-512 of the source's UTF-8 bytes.
    pub hash: String,
    /// By command key `<plugin id>.<name>`.
    pub commands: BTreeMap<String, PluginCommand>,
    /// Upper-case hex fingerprints of the primary keys that signed the hash.
    #[serde(default)]
    pub signers: Vec<String>,
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
    pub version: PluginVersion,
    /// What it does.
    pub description: String,
    /// Lower-case hex of the SHA-512 of `script`.
    pub hash: String,
    /// The Python source.
    pub script: String,
    /// By command key; an object even when empty.
    pub commands: BTreeMap<String, PluginCommand>,
    /// One-line armored detached OpenPGP signatures over the hash.
    #[serde(default)]
    pub signatures: Vec<String>,
}
