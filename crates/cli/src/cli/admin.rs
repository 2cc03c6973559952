//! What can be typed about people, keys, settings, agents and plugins.

use super::Output;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use types::PluginId;

/// Holds the arguments of `bootstrap`.
#[derive(Debug, Args)]
pub struct Bootstrap {
    /// The administrator's name.
    #[arg(long)]
    pub name: String,
    /// The administrator's armored public key [default: the configured key, made when there is none].
    #[arg(long, value_name = "FILE")]
    pub public_key: Option<PathBuf>,
    /// Make an API key as well and print it; it is shown this once.
    #[arg(long)]
    pub apikey: bool,
}

/// Lists what can be done with keys.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make an Ed25519 software key in the configuration directory.
    New {
        /// The name in its user id.
        #[arg(long, env = "USER", hide_env = true, default_value = "writ")]
        name: String,
        /// The address in its user id.
        #[arg(long)]
        email: Option<String>,
        /// Replace the key there is; the old one is kept beside it.
        #[arg(long)]
        force: bool,
    },
    /// Use a key from elsewhere: an armored secret key, or with `--gpg KEYID` one that gpg holds.
    Import {
        /// The armored secret key; '-' is standard input.
        #[arg(value_name = "FILE", required_unless_present = "gpg", conflicts_with = "gpg")]
        file: Option<PathBuf>,
        /// Replace the key there is; the old one is kept beside it.
        #[arg(long)]
        force: bool,
    },
    /// Print the fingerprint.
    Show {
        /// Print the armored public key instead.
        #[arg(long)]
        public: bool,
    },
}

/// Lists what can be done with settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Remember a setting.
    Set {
        /// Which.
        setting: Setting,
        /// Its value.
        value: String,
    },
    /// Forget a setting.
    Unset {
        /// Which.
        setting: Setting,
    },
    /// Print what is remembered, as JSON.
    Show,
}

/// Lists the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Setting {
    /// The server's origin.
    Url,
    /// The file with the API key.
    ApikeyFile,
    /// The certificates that the server's must lead to.
    CaFile,
}

/// Lists what can be done with codes that wait for approval.
#[derive(Debug, Subcommand)]
pub enum Enrol {
    /// List the codes that wait.
    Pending(Output),
    /// Let an agent in.
    Approve {
        /// The code that the agent shows.
        code: String,
        /// The agent's name.
        #[arg(long)]
        name: String,
        /// Its team: the id or the name.
        #[arg(long)]
        team: Option<String>,
        /// A plugin it gets; may be repeated.
        #[arg(long, value_name = "ID")]
        plugin: Vec<PluginId>,
        /// A label; may be repeated.
        #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
        tag: Vec<(String, String)>,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// Turn an agent away.
    Deny {
        /// The code that the agent shows.
        code: String,
    },
}

/// Lists what can be done with plugins.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Publish a plugin; it can never be changed, only followed by another.
    Add {
        /// The Python source; it defines `class Plugin`.
        #[arg(value_name = "FILE.py")]
        file: PathBuf,
        /// Its name.
        #[arg(long)]
        name: String,
        /// Its version.
        #[arg(long = "version", value_name = "VERSION")]
        plugin_version: String,
        /// What it does.
        #[arg(long, default_value = "")]
        description: String,
        /// A command and the method it calls [default: the method of that name]; may be repeated.
        #[arg(long, required = true, value_name = "NAME[=FUNCTION]", value_parser = command)]
        command: Vec<(String, String)>,
        /// Sign its SHA-512 with the configured key, for agents that run signed plugins only.
        #[arg(long)]
        sign: bool,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// Sign a plugin's SHA-512 with the configured key, for agents that run signed plugins only.
    Sign {
        /// The plugin.
        #[arg(value_name = "PLUGIN")]
        id: PluginId,
        /// The source that is vouched for; it must be the published one.
        #[arg(value_name = "FILE.py")]
        file: PathBuf,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// List the plugins.
    Ls(Output),
    /// Take plugins from an agent; it keeps the others.
    Take {
        /// The agent: its id, number or name.
        agent: String,
        /// The plugins.
        #[arg(required = true, value_name = "PLUGIN")]
        plugins: Vec<PluginId>,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// Give plugins to an agent beside those it has.
    Assign {
        /// The agent: its id, number or name.
        agent: String,
        /// The plugins.
        #[arg(required = true, value_name = "PLUGIN")]
        plugins: Vec<PluginId>,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("a label is NAME=VALUE".into()),
    }
}

fn command(text: &str) -> Result<(String, String), String> {
    let (name, function) = text.split_once('=').unwrap_or((text, text));
    if name.is_empty() || function.is_empty() {
        return Err("a command is NAME or NAME=FUNCTION".into());
    }
    Ok((name.into(), function.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_calls_the_method_of_its_name() {
        assert_eq!(command("greet").unwrap(), ("greet".into(), "greet".into()));
        assert_eq!(command("greet=say_hello").unwrap(), ("greet".into(), "say_hello".into()));
        assert!(command("=x").is_err());
        assert!(pair("role").is_err());
        assert_eq!(pair("a=b=c").unwrap(), ("a".into(), "b=c".into()));
    }
}
