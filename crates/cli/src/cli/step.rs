//! What can be typed about manual steps.

use super::Output;
use clap::{Args, Subcommand};
use types::{ExecutionId, StepRunId};

/// Lists what can be done with manual steps.
#[derive(Debug, Subcommand)]
pub enum Step {
    /// List them, newest first.
    Ls(StepFilter),
    /// Show one with its history, as JSON.
    Show {
        /// Its id.
        id: StepRunId,
    },
    /// Take one that is nobody else's.
    Claim {
        /// Its id.
        id: StepRunId,
    },
    /// Give one back.
    Release {
        /// Its id.
        id: StepRunId,
    },
    /// Say who is asked.
    Assign {
        /// Its id.
        id: StepRunId,
        /// The name of an investigator who may respond.
        #[arg(long, value_name = "NAME")]
        to: String,
    },
    /// Say something about one.
    Comment {
        /// Its id.
        id: StepRunId,
        /// The text.
        text: String,
    },
    /// Sign the action that one asks signatures for, and answer with them.
    Sign(SignStep),
    /// Answer one: it is done, unless `--failure` says that it is not.
    Answer {
        /// Its id.
        id: StepRunId,
        /// A value that is asked for; may be repeated. `NAME=@FILE` takes it from a file, '@-' from standard input.
        #[arg(short, long, value_name = "NAME=VALUE", value_parser = pair)]
        value: Vec<(String, String)>,
        /// It was not done: the step fails.
        #[arg(long)]
        failure: bool,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
}

/// Holds the arguments of `step sign`.
#[derive(Debug, Args)]
#[command(
    after_help = "An action that needs two signers: the first one signs with --print and hands the line to the second, \
    who gives it with --with."
)]
pub struct SignStep {
    /// The step's id.
    pub id: StepRunId,
    /// Print the signature and answer nothing: another signer is still to come.
    #[arg(long)]
    pub print: bool,
    /// A signature that another investigator has printed; may be repeated.
    #[arg(long, value_name = "SIGNATURE", conflicts_with = "print")]
    pub with: Vec<String>,
    /// Sign it without asking, however many agents it is for.
    #[arg(short, long)]
    pub yes: bool,
    /// How data is written.
    #[command(flatten)]
    pub output: Output,
}

/// Says which steps are listed.
#[derive(Debug, Args)]
pub struct StepFilter {
    /// Those in this state: pending, answered, expired, cancelled, or all.
    #[arg(long, default_value = "pending", value_parser = ["pending", "answered", "expired", "cancelled", "all"])]
    pub state: String,
    /// Those of one execution.
    #[arg(long, value_name = "ID")]
    pub execution: Option<ExecutionId>,
    /// Those that this investigator is asked to do.
    #[arg(long, value_name = "NAME")]
    pub assignee: Option<String>,
    /// How data is written.
    #[command(flatten)]
    pub output: Output,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("use NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}
