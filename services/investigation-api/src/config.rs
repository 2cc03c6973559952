//! The settings that are investigation-api's own: none yet beyond the common ones.

/// Holds investigation-api's own settings.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {}
