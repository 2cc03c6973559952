//! The copy of the agents that the scheduler aims with and investigation-api shows from.
//!
//! agent-gateway owns the agents and tells the whole of one in each `agent.changed`; a copy keeps the highest revision.
//! The table `agent` has the columns that [`target::Columns::agents`] names, so a target runs on it as it is.

mod apply;
mod follow;
mod row;
mod select;

pub use apply::{apply_changed, apply_seen, is_empty, remove_gone};
pub use follow::{ask_while_empty, forget, subscription};
pub use row::AgentRow;
pub use select::{Aim, aim, count, find, parse_target, sample, unknown_modules};

use diesel_migrations::{EmbeddedMigrations, embed_migrations};

/// Makes the table `agent`.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!();
