//! The settings that are loader-manifest's own.

/// Holds loader-manifest's own settings.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// How many different investigators must have signed a manifest before loaders get it
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub required_signatures: u8,
    /// How many MiB one file of a manifest may have unpacked
    #[arg(long, value_name = "MIB", default_value = "256", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub file_mib: u16,
    /// How many files a manifest may have
    #[arg(long, value_name = "COUNT", default_value = "64", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub files: u16,
}

impl Config {
    /// Gives the limits of what an archive may hold; all together it is twice what one file may have.
    pub(crate) fn limits(&self) -> signing::manifest::Limits {
        let file = u64::from(self.file_mib) << 20;
        signing::manifest::Limits { files: usize::from(self.files), file, total: 2 * file }
    }
}
