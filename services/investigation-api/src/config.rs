//! The settings that are investigation-api's own: how long things are kept.

use time::Duration;

/// Holds investigation-api's own settings.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Config {
    /// After how many days beyond its end an action is removed, with its commands and results; 0 keeps all
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub retention_results: u16,
    /// After how many days rows of the audit are removed, the oldest first; 0 keeps all
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub retention_audit: u16,
}

/// Gives a number of days; nothing when all is kept.
pub(crate) fn kept(days: u16) -> Option<Duration> {
    (days > 0).then(|| Duration::days(days.into()))
}
