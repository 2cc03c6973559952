//! The settings that are this service's own.

use service::secret;
use std::path::PathBuf;
use std::time::Duration;

/// Holds the settings of agent-gateway.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Seconds until a device code and its user code are dead.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds(1..=86_400))]
    pub device_code_ttl: Duration,
    /// Client ids that devices may enrol with; empty for any of 1 to 128 characters.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub client_ids: Vec<String>,
    /// Device codes that may wait for a person at a time, of one IPv4 address or one IPv6 /64; the newest give way to
    /// more.
    #[arg(long, value_name = "COUNT", default_value = "1000")]
    pub device_codes_per_address: u32,
    /// Device codes that may wait for a person at a time, of all; the newest of who has the most give way to more.
    #[arg(long, value_name = "COUNT", default_value = "10000")]
    pub device_codes: u32,
    /// Seconds of silence after which an agent is idle; more than the longest poll of 60 seconds.
    #[arg(long, value_name = "SECONDS", default_value = "90", value_parser = seconds(1..=86_400))]
    pub idle_after: Duration,
    /// Seconds of silence after which an agent is offline.
    #[arg(long, value_name = "SECONDS", default_value = "1200", value_parser = seconds(1..=2_592_000))]
    pub offline_after: Duration,
    /// Seconds of silence after which a RunbookSolutions agent is offline: three of its syncs.
    #[arg(long, value_name = "SECONDS", default_value = "190", value_parser = seconds(1..=2_592_000))]
    pub runbook_offline_after: Duration,
    /// Seconds until work that an agent took and did not answer is handed out again.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds(1..=86_400))]
    pub lease: Duration,
    /// How often the same work is handed out before its command fails.
    #[arg(long, value_name = "COUNT", default_value = "3", value_parser = clap::value_parser!(i32).range(1..=100))]
    pub attempts: i32,
    /// Seconds in which a task that runs once is to be answered by its RunbookSolutions agent; then it is overdue.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds(1..=2_592_000))]
    pub task_lease: Duration,
    /// How often such a task is handed out. These agents run it again each time and tell of no failure; with more than
    /// 1 let the lease be longer than the longest run.
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(i32).range(1..=100))]
    pub task_attempts: i32,
    /// Whether RunbookSolutions agents prove who they are by a token; with `off` those that show none are known by the
    /// address that they ask from, which is for networks without address translation only.
    #[arg(long, env = "WRIT_AGENT_AUTH", value_name = "ON|OFF", default_value = "on")]
    pub agent_auth: Switch,
    /// Bytes of JSON above which one result is cut; at most 8 MiB.
    #[arg(long, value_name = "BYTES", default_value = "8388608", value_parser = bytes)]
    pub max_result: usize,
    /// Bytes of answers that are taken in at a time; agents beyond that wait or come again. At least 32 MiB.
    #[arg(long, value_name = "BYTES", default_value = "134217728", value_parser = clap::value_parser!(u32).range(33_554_432..))]
    pub answers_in_flight: u32,
    /// The virtual host of MIG's agents on the broker, with an account of its own: amqp://user:password@host:port/mig;
    /// without it MIG agents are heard over HTTP only, and a command for one fails at once.
    #[arg(long, value_name = "URL")]
    pub mig_amqp_url: Option<String>,
    /// A file that holds the URL of the virtual host of MIG's agents.
    #[arg(long, value_name = "FILE", conflicts_with = "mig_amqp_url")]
    pub mig_amqp_url_file: Option<PathBuf>,
    /// The certificate authority of the broker of MIG's agents.
    #[arg(long, value_name = "FILE")]
    pub mig_amqp_ca_file: Option<PathBuf>,
    /// The kind of the exchanges `toagents` and `toschedulers`: `topic` lets the broker hold each agent to its own
    /// routing key, `direct` is what the original's scheduler declares.
    #[arg(long, value_name = "KIND", default_value = "direct")]
    pub mig_exchange: ExchangeKind,
    /// The file that lists the queue locations of MIG agents that are heard: one a line, or `re:` and a pattern;
    /// without it all are.
    #[arg(long, value_name = "FILE")]
    pub mig_whitelist: Option<PathBuf>,
    /// Seconds between two heartbeats of MIG agents, as their own configuration says (heartbeatfreq); after five of
    /// them without one an agent is idle.
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds(1..=86_400))]
    pub mig_heartbeat: Duration,
    /// Seconds without a heartbeat after which an idle MIG agent is offline.
    #[arg(long, value_name = "SECONDS", default_value = "1200", value_parser = seconds(1..=2_592_000))]
    pub mig_timeout: Duration,
    /// Seconds between two removals of the queues of MIG agents that are gone.
    #[arg(long, value_name = "SECONDS", default_value = "86400", value_parser = seconds(1..=2_592_000))]
    pub mig_queue_cleanup: Duration,
    /// Hours that answered commands and documents are kept after their action's end, for answers that come late.
    #[arg(long, value_name = "HOURS", default_value = "168", value_parser = clap::value_parser!(u32).range(1..=87_600))]
    pub keep_hours: u32,
}

/// Is a kind of exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExchangeKind {
    /// By the whole routing key.
    Direct,
    /// By the words of the routing key; the broker can check who uses which.
    Topic,
}

/// Is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl Config {
    /// Tells whether there is a broker for MIG's agents.
    pub(crate) fn speaks_mig(&self) -> bool {
        self.mig_amqp_url.is_some() || self.mig_amqp_url_file.is_some()
    }

    /// Gives the broker of MIG's agents, when there is one.
    pub(crate) fn mig_broker(&self) -> anyhow::Result<Option<messaging::Settings>> {
        let url = secret(self.mig_amqp_url.as_deref(), self.mig_amqp_url_file.as_deref())?;
        let Some(url) = url else { return Ok(None) };
        let ca_file = self.mig_amqp_ca_file.clone();
        Ok(Some(messaging::Settings { ca_file, ..messaging::Settings::new(url) }))
    }

    /// Tells whether agents are known by address.
    pub(crate) fn knows_addresses(&self) -> bool {
        self.agent_auth == Switch::Off
    }
}

fn seconds(
    range: std::ops::RangeInclusive<u64>,
) -> impl clap::builder::TypedValueParser<Value = Duration> {
    use clap::builder::TypedValueParser;
    clap::value_parser!(u64).range(range).map(Duration::from_secs)
}

fn bytes(text: &str) -> Result<usize, String> {
    const LEAST: usize = 1_024;
    const MOST: usize = 8 * 1_024 * 1_024;
    match text.parse() {
        Ok(bytes) if (LEAST..=MOST).contains(&bytes) => Ok(bytes),
        Ok(bytes) => Err(format!("{bytes} is not in {LEAST}..={MOST}")),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::Config;
    use clap::{Args, FromArgMatches};

    fn parse(args: &[&str]) -> Result<Config, clap::Error> {
        let command = Config::augment_args(clap::Command::new("test"));
        let matches = command.try_get_matches_from(std::iter::once(&"test").chain(args))?;
        Config::from_arg_matches(&matches)
    }

    #[test]
    fn every_setting_has_a_default_and_bounds() {
        let config = parse(&[]).unwrap();
        assert_eq!((config.device_code_ttl.as_secs(), config.attempts), (600, 3));
        assert_eq!(parse(&["--client-ids", "a,b"]).unwrap().client_ids, ["a", "b"]);
        for wrong in [
            ["--device-code-ttl", "0"],
            ["--attempts", "0"],
            ["--max-result", "9000000"],
            ["--max-result", "x"],
            ["--keep-hours", "0"],
            ["--answers-in-flight", "1000"],
        ] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_broker_of_migs_agents_may_be_named_by_a_file() {
        assert!(parse(&[]).unwrap().mig_broker().unwrap().is_none());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "amqp://gateway:secret@broker/mig\n").unwrap();
        let config = parse(&["--mig-amqp-url-file", file.path().to_str().unwrap()]).unwrap();
        assert!(config.speaks_mig());
        assert_eq!(config.mig_broker().unwrap().unwrap().url, "amqp://gateway:secret@broker/mig");
        let error = parse(&["--mig-amqp-url-file", "/nowhere"]).unwrap().mig_broker().unwrap_err();
        assert!(error.to_string().contains("/nowhere"), "{error}");
        assert!(parse(&["--mig-amqp-url", "amqp://a", "--mig-amqp-url-file", "b"]).is_err());
    }
}
