//! The command line of `writ-fleet`.

use clap::{Parser, ValueEnum};
use reqwest::Url;
use std::path::PathBuf;
use types::PluginId;

/// Simulates a fleet of agents and checks what the server makes of it; prints one JSON line at its end.
#[derive(Debug, Parser)]
#[command(version, name = "writ-fleet")]
pub(super) struct Cli {
    /// The server's public origin.
    #[arg(long, env = "WRIT_URL", value_name = "URL")]
    pub(super) server: Url,
    /// The file with the API key of an investigator who may admit agents, and read agents and actions.
    #[arg(long, env = "WRIT_APIKEY_FILE", value_name = "FILE")]
    pub(super) apikey_file: PathBuf,
    /// Which language the agents speak.
    #[arg(long, value_enum, default_value_t)]
    pub(super) kind: Kind,
    /// The broker of MIG's agents, with their account: amqp://user:password@host:port/mig.
    #[arg(
        long,
        env = "WRIT_MIG_AMQP_URL",
        hide_env_values = true,
        value_name = "URL",
        required_if_eq("kind", "mig")
    )]
    pub(super) amqp_url: Option<String>,
    /// How MIG's agents tell that they are there.
    #[arg(long, value_enum, default_value_t)]
    pub(super) heartbeats: Heartbeats,
    /// The plugin that RunbookSolutions' agents have; actions name its commands.
    #[arg(long, value_name = "ID", required_if_eq("kind", "runbook"))]
    pub(super) plugin: Option<PluginId>,
    /// How many agents.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) agents: u32,
    /// What decides what each agent is and does: the same seed, the same fleet.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Seconds between two polls of an agent.
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub(super) every: f64,
    /// Seconds that each poll waits for work; then every agent has a connection of its own, and to a server on this
    /// machine they come from several addresses. 0 asks and goes.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=60))]
    pub(super) wait: u64,
    /// How many polls and answers may be under way at a time, when polls do not wait.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) connections: u32,
    /// About how many bytes of JSON each result has.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=4_000_000))]
    pub(super) result_bytes: u32,
    /// The label `fleet` of every agent, by which targets find them.
    #[arg(long, default_value = "fleet")]
    pub(super) label: String,
    /// Ends after so many seconds of work.
    #[arg(long)]
    pub(super) seconds: Option<u64>,
    /// Ends when so many actions that were posted since its start are over; that there are fewer is a violation.
    #[arg(long)]
    pub(super) actions: Option<usize>,
    /// The server's processes are killed meanwhile: the broker may bring a command of MIG's agents again, and what was
    /// sent takes longer.
    #[arg(long)]
    pub(super) kills: bool,
    /// Seconds after which the server says of silent agents that they are idle; when the fleet works longer, it must.
    #[arg(long, value_name = "SECONDS")]
    pub(super) idle_after: Option<u64>,
    /// What the agents are.
    #[command(flatten)]
    pub(super) parts: Parts,
}

/// Says which language agents speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Writ's own agents, over HTTP.
    #[default]
    Writ,
    /// MIG's agents, over AMQP and HTTP.
    Mig,
    /// The agents of `RunbookSolutions`, over HTTP.
    Runbook,
}

/// Says how MIG's agents tell that they are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Heartbeats {
    /// Over HTTP, as since November 2018.
    Http,
    /// Over AMQP, as before.
    Amqp,
    /// Every second agent so.
    #[default]
    Mixed,
}

/// Says which part of the fleet is not as it should be, from 0 to 1.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Parts {
    /// Enrols and is never heard again.
    #[arg(long, default_value_t = 0.02, value_parser = part)]
    pub(super) offline: f64,
    /// Answers seconds later.
    #[arg(long, default_value_t = 0.02, value_parser = part)]
    pub(super) slow: f64,
    /// Answers twice; of MIG's agents there are two processes with one identity.
    #[arg(long, default_value_t = 0.02, value_parser = part)]
    pub(super) duplicate: f64,
    /// Answers also what it was never asked.
    #[arg(long, default_value_t = 0.02, value_parser = part)]
    pub(super) lying: f64,
    /// Dies with the work or right after its answer; Writ's agents also while they ask or answer.
    #[arg(long, default_value_t = 0.02, value_parser = part)]
    pub(super) crashing: f64,
    /// Lacks the module `file`: commands that need it fail at once and are never given to it. Not of RunbookSolutions'
    /// agents.
    #[arg(long, default_value_t = 0.0, value_parser = part)]
    pub(super) lacking: f64,
    /// Describes its machine anew every 20 seconds; MIG's begin a new row then. Not of RunbookSolutions' agents.
    #[arg(long, default_value_t = 0.0, value_parser = part)]
    pub(super) describing: f64,
    /// Is one of MIG's agents in checkin mode: it starts at its turn, beats, fetches its work, answers and ends.
    #[arg(long, default_value_t = 0.0, value_parser = part)]
    pub(super) checkin: f64,
    /// Of the answers: those that failed, where agents tell of failures.
    #[arg(long, default_value_t = 0.02, value_parser = part)]
    pub(super) failing: f64,
    /// Of the answers: those that ran too long.
    #[arg(long, default_value_t = 0.01, value_parser = part)]
    pub(super) timing_out: f64,
}

fn part(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err("a part is a number from 0 to 1".into()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("is not a number of seconds from 0.01 to 86400".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn no_help_shows_a_password() {
        let command = Cli::command();
        let secret = command.get_arguments().find(|argument| argument.get_id() == "amqp_url");
        assert!(secret.unwrap().is_hide_env_values_set());
    }
}
