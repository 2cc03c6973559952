//! The settings that are the scheduler's own: about playbooks, and how long things are kept.

use crate::domain::destination::Destination;
use std::path::PathBuf;
use std::time::Duration;

/// Holds the scheduler's own settings.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Where http-api and openc2-http steps may go: host, *.domain, host:port, address or network, `*` for every public
    /// host. A host whose address is private, on loopback or link-local needs that address or its network here too
    #[arg(long, value_name = "DESTINATION", value_delimiter = ',')]
    pub http_allow: Vec<Destination>,
    /// Where ssh steps may go, in the same form
    #[arg(long, value_name = "DESTINATION", value_delimiter = ',')]
    pub ssh_allow: Vec<Destination>,
    /// The host keys of ssh targets, as `ssh-keyscan` writes them; without it no ssh step runs
    #[arg(long, value_name = "FILE")]
    pub ssh_known_hosts: Option<PathBuf>,
    /// The OpenSSH client
    #[arg(long, value_name = "PROGRAM", default_value = "ssh")]
    pub ssh_program: PathBuf,
    /// A folder of secrets, one a file: credentials of a playbook with `kms` name one by `kms_key_identifier`. A file
    /// `<secret>.hosts` beside it says where it may go, a destination a line; without one it goes wherever commands may
    /// but for what `*` alone allows
    #[arg(long, value_name = "DIR")]
    pub secrets_dir: Option<PathBuf>,
    /// Seconds that one command of a step may take, unless its step says how long
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds(1..=3_600))]
    pub command_timeout: Duration,
    /// Seconds that one command may take at most, whatever its step says
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = seconds(1..=86_400))]
    pub command_limit: Duration,
    /// Bytes that the answer to one command may have
    #[arg(long, value_name = "BYTES", default_value = "262144", value_parser = clap::value_parser!(u32).range(1_024..=262_144))]
    pub response_limit: u32,
    /// How many commands one process does at a time
    #[arg(long, value_name = "COUNT", default_value = "64", value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub commands_at_once: u16,
    /// Seconds that people have for a manual step without a time-out of its own
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds(1..=31_536_000))]
    pub manual_timeout: Duration,
    /// How often one while-condition may go round
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = clap::value_parser!(i32).range(1..=100_000))]
    pub while_limit: i32,
    /// How many runs of steps one execution may have
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    pub step_limit: i64,
    /// After how many days beyond its end the run of an action is removed, with its commands; 0 keeps all
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub retention_runs: u16,
    /// After how many days an execution that ended is removed, with what its steps did; 0 keeps all
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub retention_executions: u16,
}

fn seconds(
    range: std::ops::RangeInclusive<u64>,
) -> impl clap::builder::TypedValueParser<Value = Duration> {
    use clap::builder::TypedValueParser;
    clap::value_parser!(u64).range(range).map(Duration::from_secs)
}
