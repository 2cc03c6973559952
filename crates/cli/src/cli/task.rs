//! What can be typed about tasks of RunbookSolutions agents.

use super::Output;
use clap::{Args, Subcommand};
use types::TaskId;

/// Lists what can be done with tasks.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// List the tasks, oldest first.
    Ls(TaskFilter),
    /// Show one with its latest runs, as JSON.
    Show {
        /// Its id.
        id: TaskId,
    },
    /// Have an agent run a command of a plugin that it has.
    New {
        /// The agent: its id, number or name.
        agent: String,
        /// The command: PLUGIN.NAME, as `writ plugin ls` shows it.
        command: String,
        /// When it runs, in the agent's local time [default: once].
        #[arg(long, value_name = "CRON")]
        cron: Option<String>,
        /// The arguments by name: a JSON object.
        #[arg(long, value_name = "JSON", default_value = "{}")]
        arguments: String,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// Take one back; what its agent was told of may still run.
    Withdraw {
        /// Its id.
        id: TaskId,
    },
}

/// Says which tasks are listed.
#[derive(Debug, Args)]
pub struct TaskFilter {
    /// Only those of this agent: its id, number or name.
    #[arg(long)]
    pub agent: Option<String>,
    /// Only those in this state.
    #[arg(long, value_parser = ["waiting", "offered", "done", "overdue", "withdrawn"])]
    pub state: Option<String>,
    /// How data is written.
    #[command(flatten)]
    pub output: Output,
}
