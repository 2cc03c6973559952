//! The command line: every option can also be given in the environment.

use crate::backoff::Pace;
use crate::check::Rules;
use crate::client::Server;
use crate::enrol::Enrolment;
use crate::work::{MAX_OUTPUT, Settings};
use crate::{Acl, plugin};
use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use reqwest::Url;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Writ's reference agent: carries out signed orders on this machine.
#[derive(Debug, Parser)]
#[command(name = "writ-agent", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// What to log: error, warn, info, debug, or a filter such as `agent=debug`.
    #[arg(long, env = "WRIT_LOG", default_value = "info", global = true)]
    pub(crate) log: String,
}

/// Is what to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Enrols this machine: shows a code that a person approves, and keeps the token.
    Enrol(Box<EnrolArgs>),
    /// Works: takes orders, checks them, carries them out, hands in the answers.
    Run(Box<RunArgs>),
}

/// Is where the server is.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    /// The server's address, for example `https://writ.example.org`.
    #[arg(long, env = "WRIT_AGENT_SERVER", value_name = "URL")]
    server: Url,
    /// The agent's own directory; made when it is not there, readable for the agent's user only.
    #[arg(long, env = "WRIT_AGENT_STATE", value_name = "DIR")]
    pub(crate) state: PathBuf,
    /// More certificate authorities to trust, as PEM.
    #[arg(long, env = "WRIT_AGENT_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The proxy to go through.
    #[arg(long, env = "WRIT_AGENT_PROXY", value_name = "URL")]
    proxy: Option<Url>,
    /// Speaks without TLS to a server on another machine, which shows the agent's token to everyone in between.
    #[arg(long, env = "WRIT_AGENT_ALLOW_PLAIN_HTTP")]
    allow_plain_http: bool,
    /// What this program calls itself when it enrols.
    #[arg(long, env = "WRIT_AGENT_CLIENT_ID", default_value = "writ-agent")]
    client_id: String,
    /// How long to wait for a person to approve this machine, in seconds.
    #[arg(long, env = "WRIT_AGENT_PATIENCE", default_value_t = 86_400, value_name = "SECONDS")]
    patience: u64,
    /// The longest wait between tries when the server cannot be reached, in seconds.
    #[arg(long, env = "WRIT_AGENT_RETRY_MAX", default_value_t = 60, value_name = "SECONDS")]
    retry_max: u64,
}

/// Is how to enrol.
#[derive(Debug, Args)]
pub(crate) struct EnrolArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Enrols although there is a token; the old one is replaced.
    #[arg(long)]
    pub(crate) again: bool,
}

/// Is how to work.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Enrols first when there is no token.
    #[arg(long)]
    pub(crate) enrol: bool,
    /// The directory of the investigators' public keys, armored, one in each file.
    #[arg(long, env = "WRIT_AGENT_KEYS", value_name = "DIR")]
    keys: PathBuf,
    /// Says whose signatures weigh how much for which module, in MIG's form.
    #[arg(long, env = "WRIT_AGENT_ACL", value_name = "FILE")]
    acl: Option<PathBuf>,
    /// Lists the SHA-512s of the plugins that may run; without it, those that the server assigns may.
    #[arg(long, env = "WRIT_AGENT_PLUGIN_HASHES", value_name = "FILE")]
    plugin_hashes: Option<PathBuf>,
    /// Runs only plugins whose SHA-512 one of the pinned keys has signed.
    #[arg(long, env = "WRIT_AGENT_SIGNED_PLUGINS")]
    signed_plugins: bool,
    /// How many bytes one operation may bring back.
    #[arg(long, env = "WRIT_AGENT_MAX_OUTPUT", default_value_t = MAX_OUTPUT, value_name = "BYTES")]
    max_output: usize,
    /// How long one operation may take.
    #[arg(long, env = "WRIT_AGENT_MODULE_TIMEOUT", default_value_t = 300, value_name = "SECONDS")]
    module_timeout: u64,
    /// How far a signer's clock may be ahead of this machine's.
    #[arg(long, env = "WRIT_AGENT_CLOCK_SKEW", default_value_t = 600, value_name = "SECONDS")]
    clock_skew: u32,
    /// How many orders are carried out at the same time.
    #[arg(long, env = "WRIT_AGENT_CONCURRENCY", default_value_t = 4, value_name = "N")]
    concurrency: usize,
    /// The Python 3 to run plugins with; the machine's own when it is not given.
    #[arg(long, env = "WRIT_AGENT_PYTHON", value_name = "PATH")]
    python: Option<PathBuf>,
    /// Counts signatures over SHA-1, for old keys.
    #[arg(long, env = "WRIT_AGENT_ALLOW_SHA1")]
    allow_sha1: bool,
}

impl ServerArgs {
    /// Gives the server, when its address is one to speak with.
    pub(crate) fn server(&self) -> anyhow::Result<Server> {
        let url = &self.server;
        if !url.username().is_empty() || url.password().is_some() {
            bail!(
                "the server's address has a name or a password in it; the agent has its own token"
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            bail!("the server's address has something after its path: {url}");
        }
        if url.scheme() == "http" && !is_local(url) && !self.allow_plain_http {
            bail!("{url} is without TLS; use https, or say --allow-plain-http");
        }
        Ok(Server { url: url.clone(), ca_file: self.ca_file.clone(), proxy: self.proxy.clone() })
    }

    /// Gives how to enrol.
    pub(crate) fn enrolment(&self, again: bool) -> Enrolment {
        Enrolment {
            client_id: self.client_id.clone(),
            again,
            patience: Duration::from_secs(self.patience),
            pace: self.pace(),
        }
    }

    fn pace(&self) -> Pace {
        let most = Duration::from_secs(self.retry_max.max(1));
        Pace { first: Pace::default().first.min(most), most }
    }
}

impl RunArgs {
    /// Gives the settings; reads the pinned keys and lists.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let mut rules = Rules::with_keys_of(&self.keys)?;
        rules.policy.allow_sha1 = self.allow_sha1;
        rules.policy.clock_skew = time::Duration::seconds(i64::from(self.clock_skew));
        if let Some(file) = &self.acl {
            let acl =
                fs::read_to_string(file).map_err(Into::into).and_then(|text| Acl::parse(&text));
            rules.acl = Some(acl.with_context(|| format!("cannot use {}", file.display()))?);
        }
        let mut settings = Settings::new(self.server.server()?, self.server.state.clone(), rules);
        if let Some(file) = &self.plugin_hashes {
            let hashes = fs::read_to_string(file).map_err(Into::into);
            let hashes = hashes.and_then(|text| plugin::read_allowed(&text));
            settings.plugin_hashes =
                Some(hashes.with_context(|| format!("cannot use {}", file.display()))?);
        }
        settings.signed_plugins = self.signed_plugins;
        settings.max_output = self.max_output;
        settings.module_timeout = Duration::from_secs(self.module_timeout.max(1));
        settings.concurrency = self.concurrency;
        settings.python.clone_from(&self.python);
        settings.pace = self.server.pace();
        Ok(settings)
    }
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str, more: &[&str]) -> anyhow::Result<Server> {
        let args = ["writ-agent", "enrol", "--state", "/s", "--server", url];
        let cli = Cli::try_parse_from(args.iter().chain(more))?;
        let Command::Enrol(enrol) = cli.command else { unreachable!() };
        enrol.server.server()
    }

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn tokens_are_not_sent_in_the_clear() {
        for good in [
            "https://writ.example.org/x",
            "http://127.0.0.1:8080",
            "http://[::1]/",
            "http://localhost/",
        ] {
            assert!(server(good, &[]).is_ok(), "{good}");
        }
        let plain = "http://writ.example.org/";
        assert!(server(plain, &[]).unwrap_err().to_string().contains("--allow-plain-http"));
        assert!(server(plain, &["--allow-plain-http"]).is_ok());
        assert!(server("https://bob:x@writ.example.org/", &[]).is_err());
        assert!(server("https://writ.example.org/?a=b", &[]).is_err());
    }
}
