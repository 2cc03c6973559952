//! What makes a process of a service: settings, start, jobs, health, a graceful end; alone or five in one process.

mod certificates;
mod cli;
mod contracts;
mod credentials;
mod health;
mod house;
mod job;
mod look;
mod meters;
mod notes;
mod parts;
mod probe;
mod process;
mod running;
mod settings;
mod start;
mod tasks;
mod wait;

pub use certificates::watch_certificates;
pub use cli::main;
pub use credentials::secret;
pub use diesel_migrations::{EmbeddedMigrations, embed_migrations};
pub use health::Health;
pub use house::House;
pub use job::Job;
pub use messaging::Shutdown;
pub use notes::{Notes, source};
pub use parts::{Parts, Service};
pub use running::Running;
pub use settings::{Common, Settings};
pub use start::{parts, start};
pub use tasks::Tasks;
