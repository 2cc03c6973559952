//! The settings that are manual-interaction's own.

use std::path::PathBuf;
use std::str::FromStr;

/// Holds manual-interaction's own settings.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// After how many percent of its time an unanswered step is due: people are told again
    #[arg(long, value_name = "PERCENT", default_value = "75", value_parser = clap::value_parser!(u8).range(1..=99))]
    pub due_percent: u8,
    /// The investigator who is asked when a step is due; nobody in particular when absent
    #[arg(long, value_name = "NAME")]
    pub escalate_to: Option<String>,
    /// Where new, due and expired steps are told by HTTP; nowhere when absent
    #[arg(long, value_name = "URL")]
    pub webhook_url: Option<String>,
    /// The secret that signs what is told by HTTP, at least 16 bytes
    #[arg(long, value_name = "SECRET")]
    pub webhook_secret: Option<Secret>,
    /// A file that holds that secret
    #[arg(long, value_name = "FILE", conflicts_with = "webhook_secret")]
    pub webhook_secret_file: Option<PathBuf>,
    /// The mail server: `smtps://user:password@host:465`, or `smtp://…`, which turns to TLS when the server can
    #[arg(long, value_name = "URL")]
    pub smtp_url: Option<Secret>,
    /// A file that holds the URL of the mail server
    #[arg(long, value_name = "FILE", conflicts_with = "smtp_url")]
    pub smtp_url_file: Option<PathBuf>,
    /// The certificate authority of the mail server
    #[arg(long, value_name = "FILE")]
    pub smtp_ca_file: Option<PathBuf>,
    /// The sender of mails
    #[arg(long, value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// Who gets mails about new, due and expired steps
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    pub mail_to: Vec<String>,
    /// After how many days beyond its end a step is removed, with its answer and history; 0 keeps all
    #[arg(long, value_name = "DAYS", default_value_t = 0, alias = "keep-days")]
    pub retention_steps: u16,
}

/// Is a text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.into()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}
