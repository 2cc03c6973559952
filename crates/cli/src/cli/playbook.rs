//! `writ playbook`: playbooks and their runs.

use super::Output;
use clap::Subcommand;
use std::path::PathBuf;
use types::ExecutionId;

/// Lists what can be done with playbooks.
#[derive(Debug, Subcommand)]
pub enum Playbook {
    /// Store a CACAO playbook; the same id with another `modified` is another version.
    Add {
        /// The playbook; '-' is standard input.
        file: PathBuf,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// List the stored playbooks.
    Ls(Output),
    /// Begin a run of a stored playbook and print its id.
    Run {
        /// The playbook's id.
        id: String,
        /// The value of an external variable; may be given several times.
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
        variables: Vec<(String, String)>,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// Show how a run is, step by step.
    Status {
        /// The run.
        id: ExecutionId,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// Cancel a run with all that it waits for; no branch runs.
    Cancel {
        /// The run.
        id: ExecutionId,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
}

/// Reads `NAME=VALUE`; the underscores around the name may be left out.
fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let name = if name.starts_with("__") { name.to_owned() } else { format!("__{name}__") };
    Ok((name, value.to_owned()))
}
