//! The settings that are manual-interaction's own: none yet beyond the common ones.

/// Holds manual-interaction's own settings.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {}
