//! Messages between services, at least once on the wire and once in effect.
//!
//! On the way out: [`Bus::put`] writes to the outbox in the caller's transaction, and [`relay()`] publishes with
//! confirms. On the way in: [`consume()`] hands batches to a handler, which admits each message once through
//! [`inbox::admit`] in its own transaction. `topology` says which exchanges and queues there are.

mod batch;
mod body;
mod bus;
mod consume;
mod delivery;
pub mod inbox;
pub mod link;
mod meters;
mod outbox;
mod publisher;
mod purge;
mod relay;
mod rights;
mod settle;
mod shutdown;
mod subscription;
mod tls;
mod topology;
mod trace;

pub use body::MAX_PLAIN;
pub use bus::{Bus, Settings};
pub use consume::consume;
pub use delivery::{Delivery, Outcome};
pub use futures_util::future::BoxFuture;
pub use purge::purge;
pub use relay::relay;
pub use rights::{Rights, SHARED};
pub use shutdown::Shutdown;
pub use subscription::{Queue, Subscription};
pub use topology::{AGAIN, DEAD, EXCHANGE};
pub use trace::{TraceContext, follow};
pub use types::messages::USUAL_BODY as MAX_BODY;

/// Holds the migrations of the schema `messaging`, which every service's database has.
pub const MIGRATIONS: diesel_migrations::EmbeddedMigrations =
    diesel_migrations::embed_migrations!();
