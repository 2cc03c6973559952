//! What can be typed about loaders and manifests.

use super::Output;
use clap::{Subcommand, ValueEnum};
use std::path::PathBuf;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use types::{LoaderId, ManifestId, ManifestStatus};

/// Lists what can be done with loaders.
#[derive(Debug, Subcommand)]
pub enum Loader {
    /// Create a loader, disabled, and print its key; it is shown this once.
    New {
        /// Its name.
        name: String,
        /// The condition that its host must fulfil, for example `env->>'os'='linux'`.
        #[arg(long, default_value = "", value_name = "CONDITION")]
        expect: String,
    },
    /// Let a loader in.
    Enable {
        /// The loader.
        #[arg(value_parser = loader)]
        id: LoaderId,
    },
    /// Let a loader in no longer, from its next request on.
    Disable {
        /// The loader.
        #[arg(value_parser = loader)]
        id: LoaderId,
    },
    /// Say what a loader's host must be like.
    Expect {
        /// The loader.
        #[arg(value_parser = loader)]
        id: LoaderId,
        /// The condition; empty for anything.
        condition: String,
    },
    /// Replace a loader's key and print the new one; it is shown this once.
    Key {
        /// The loader.
        #[arg(value_parser = loader)]
        id: LoaderId,
    },
    /// List the loaders.
    Ls(Output),
}

/// Lists what can be done with manifests.
#[derive(Debug, Subcommand)]
pub enum Manifest {
    /// Pack the files of a directory and post them as a manifest; it waits for signatures then.
    Build {
        /// The directory; what is in it is packed by name, directories in it are refused.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// Its name: a newer manifest takes the place of older ones of the same name.
        #[arg(long)]
        name: String,
        /// Which loaders it is for.
        #[arg(long)]
        target: String,
        /// From when on nobody is given it, as RFC 3339 says.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        expires: Option<OffsetDateTime>,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// Post an order to go back to an older manifest: who has a newer one is given that again, once the order is
    /// signed.
    Rollback {
        /// The manifest to go back to.
        #[arg(value_parser = manifest)]
        id: ManifestId,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// Download a manifest's files, compute what is signed, sign it and post the signature.
    Sign {
        /// The manifest.
        #[arg(value_parser = manifest)]
        id: ManifestId,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// Have the signers of a manifest counted anew; fails while it has too few.
    Activate {
        /// The manifest.
        #[arg(value_parser = manifest)]
        id: ManifestId,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// Show a manifest, or set its status.
    Status {
        /// The manifest.
        #[arg(value_parser = manifest)]
        id: ManifestId,
        /// `staged` forgets all signatures, `disabled` is final.
        #[arg(long, value_enum)]
        set: Option<Set>,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// List how far each loader is with a manifest.
    Rollout {
        /// The manifest.
        #[arg(value_parser = manifest)]
        id: ManifestId,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// List the manifests, the newest first.
    Ls(Output),
}

/// Lists the states that people may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Set {
    /// Without signatures.
    Staged,
    /// Given to nobody, for good.
    Disabled,
}

impl From<Set> for ManifestStatus {
    fn from(set: Set) -> Self {
        match set {
            Set::Staged => Self::Staged,
            Set::Disabled => Self::Disabled,
        }
    }
}

fn loader(text: &str) -> Result<LoaderId, std::num::ParseIntError> {
    text.parse().map(LoaderId)
}

fn manifest(text: &str) -> Result<ManifestId, std::num::ParseIntError> {
    text.parse().map(ManifestId)
}

fn moment(text: &str) -> Result<OffsetDateTime, time::error::Parse> {
    OffsetDateTime::parse(text, &Rfc3339)
}
