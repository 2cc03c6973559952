//! The settings that are loader-manifest's own: none yet beyond the common ones.

/// Holds loader-manifest's own settings.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {}
