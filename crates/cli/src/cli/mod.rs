//! What can be typed.

mod admin;
mod install;
mod people;
mod playbook;
mod run;
mod search;
mod step;
mod task;
mod team;

pub use admin::{Bootstrap, ConfigCommand, Enrol, Key, Plugin, Setting};
pub use install::{Loader, Manifest, Set};
pub use people::{Audit, Change, Investigator};
pub use playbook::Playbook;
pub use run::{
    ActionCommand, Cancel, Copy, Follow, Results, Run, Show, ShowAction, Status, Steer, Wait,
};
pub use search::{Agents, Filter, Search, Subject};
pub use step::{SignStep, Step, StepFilter};
pub use task::{Task, TaskFilter};
pub use team::{Agent, Team};

use crate::output::Format;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Data goes to standard output, everything else to standard error.

Exit codes:
  0    done; every agent answered well
  1    not done: wrong input, no connection, refused by the server
  2    some agents failed, ran too long, were cancelled or did not answer (run, wait)
  3    denied: the server does not know you, or you may not do this
  4    the wait was over first, or the action ended and nobody had answered (run, wait)
  130  ctrl-C while following: the action goes on, `writ wait ID` follows it again

Secrets are read from files, standard input ('-') or variables, never from the command line.";

/// The investigator's tool: signs actions, sends them to a fleet, brings back what the agents found.
#[derive(Debug, Parser)]
#[command(name = "writ", version, after_long_help = EXIT_CODES, after_help = "More, with exit codes: writ --help")]
pub struct Cli {
    /// What goes for every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
}

/// Holds what goes for every command; each goes before what `writ config set` remembered.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "For every command")]
pub struct Globals {
    /// The server's origin, for example `https://writ.example.net`.
    #[arg(long, global = true, env = "WRIT_URL", value_name = "URL")]
    pub url: Option<String>,
    /// Where the configuration and the software key are [default: ~/.config/writ].
    #[arg(long, global = true, env = "WRIT_CONFIG", value_name = "DIR")]
    pub config_dir: Option<PathBuf>,
    /// The file with the API key to authenticate by, instead of the OpenPGP key; '-' is standard input.
    #[arg(long, global = true, env = "WRIT_APIKEY_FILE", value_name = "FILE")]
    pub apikey_file: Option<PathBuf>,
    /// The certificates (PEM) that the server's must lead to, instead of the machine's.
    #[arg(long, global = true, env = "WRIT_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Sign by this key of gpg: a fingerprint, key id or address.
    #[arg(long, global = true, value_name = "KEYID")]
    pub gpg: Option<String>,
    /// Where gpg keeps its keys [default: gpg's own].
    #[arg(long, global = true, env = "GNUPGHOME", value_name = "DIR")]
    pub gpg_home: Option<PathBuf>,
    /// The file with the passphrase of the key; '-' is standard input.
    #[arg(long, global = true, env = "WRIT_PASSPHRASE_FILE", value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Turns colour and the progress bar off when it is not empty.
    #[arg(long, global = true, env = "NO_COLOR", hide = true, value_name = "ANY")]
    pub no_color: Option<String>,
    /// Where the configuration directories are.
    #[arg(long, global = true, env = "XDG_CONFIG_HOME", hide = true, value_name = "DIR")]
    pub xdg_config_home: Option<PathBuf>,
}

/// Lists the commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the first administrator; works where the database is, while there is no administrator.
    Bootstrap(Bootstrap),
    /// Create investigators, keep them out, say what they may do.
    #[command(subcommand)]
    Investigator(Investigator),
    /// Check the record of changes and refusals.
    #[command(subcommand)]
    Audit(Audit),
    /// Make, import and show the key that signs.
    #[command(subcommand)]
    Key(Key),
    /// Remember settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Let new agents in.
    #[command(subcommand)]
    Enrol(Enrol),
    /// Publish plugins and give them to agents.
    #[command(subcommand)]
    Plugin(Plugin),
    /// Store CACAO playbooks, run them, see how they are.
    #[command(subcommand)]
    Playbook(Playbook),
    /// Create loaders, let them in, replace their keys.
    #[command(subcommand)]
    Loader(Loader),
    /// Build, sign and follow what loaders install.
    #[command(subcommand)]
    Manifest(Manifest),
    /// See the manual steps of playbooks, and answer them.
    #[command(subcommand)]
    Step(Step),
    /// List the agents.
    Agents(Agents),
    /// Put an agent into a team, out of it, or out of the house.
    #[command(subcommand)]
    Agent(Agent),
    /// Make teams and list them.
    #[command(subcommand)]
    Team(Team),
    /// Give tasks to agents of RunbookSolutions, see what became of them, take them back.
    #[command(subcommand)]
    Task(Task),
    /// Find actions, commands, agents, investigators, manifests and loaders.
    Search(Box<Search>),
    /// Show an action with everything of it, copy what people wrote of it, pause it or let it go on.
    #[command(subcommand)]
    Action(ActionCommand),
    /// Sign an action, send it, follow it, print what came back.
    Run(Box<Run>),
    /// Show how an action is.
    Status(Status),
    /// Print what came back so far; exit code 0 whatever the agents answered.
    Results(Results),
    /// Follow an action to its end and print what came back.
    Wait(Wait),
    /// Withdraw an action: nobody is given it any more.
    Cancel(Cancel),
    /// Print a completion script.
    Completion(Completion),
}

/// Says how data is written.
#[derive(Debug, Clone, Copy, Args)]
pub struct Output {
    /// How data is written.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// Holds the arguments of `completion`.
#[derive(Debug, Args)]
pub struct Completion {
    /// For which shell.
    pub shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
