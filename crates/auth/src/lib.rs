//! Who asks, and may they: the investigators' keys and permissions, as every service knows them.
//!
//! investigation-api owns the investigators; the other services keep a copy in `auth.investigator` and in memory.
//! A copy that does not match its owner asks for everything, and one that was not confirmed for five minutes is not
//! fresh: nothing is changed on its word, so that a revocation never goes unnoticed for longer.

mod caller;
pub mod digest;
mod error;
mod keyring;
mod page_sessions;
mod replica;
mod rows;
mod settings;
mod spent;
mod subscribe;

pub use caller::Caller;
pub use error::AuthError;
pub use keyring::{Keyring, Signer, api_key_hash};
pub use page_sessions::{PAGE_SESSION, PageSessions};
pub use replica::{FRESH_FOR, Replica};
pub use rows::{INVESTIGATOR_COLUMNS, InvestigatorRow};
pub use settings::Settings;
pub use subscribe::{HasReplica, subscription};

/// Holds the migrations of the schema `auth`, which every service's database has.
pub const MIGRATIONS: diesel_migrations::EmbeddedMigrations =
    diesel_migrations::embed_migrations!();
