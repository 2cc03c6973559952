//! What can be typed about teams and single agents.

use super::Output;
use clap::Subcommand;

/// Lists what can be done with teams.
#[derive(Debug, Subcommand)]
pub enum Team {
    /// Make a team.
    New {
        /// Its name.
        name: String,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// List the teams.
    Ls(Output),
}

/// Lists what can be done with an agent.
#[derive(Debug, Subcommand)]
pub enum Agent {
    /// Put it into a team.
    Join {
        /// The agent: its id, number or name.
        agent: String,
        /// The team: its id or name.
        team: String,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// Take it out of its team.
    Leave {
        /// The agent: its id, number or name.
        agent: String,
        /// How data is written.
        #[command(flatten)]
        output: Output,
    },
    /// Revoke it: its token is dead at once and what it was asked fails. It never comes back but as a new agent.
    Revoke {
        /// The agent: its id, number or name.
        agent: String,
    },
}
