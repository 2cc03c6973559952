//! The settings that are the scheduler's own: none yet beyond the common ones.

/// Holds the scheduler's own settings.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {}
