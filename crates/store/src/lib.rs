//! PostgreSQL as every service uses it: one pool, one way to migrate, one way to run a transaction, one set of errors.
//!
//! No libpq anywhere: `diesel` builds the statements, `diesel-async` sends them over `tokio-postgres` and rustls.

mod connect;
mod failure;
mod measure;
mod migrate;
pub mod page;
mod pool;
pub mod portion;
mod probe;
mod retention;
mod settings;
mod sql;
mod tls;
mod tx;

pub use failure::Failure;
pub use migrate::{migrate, migrate_until};
pub use pool::pool;
pub use probe::Probe;
pub use retention::Retention;
pub use settings::{CertificateFiles, Settings};
pub use sql::{Bound, Query, Sql, Unbound, Value, bind, sql};
pub use tx::{Connections, Store, after_commit};

/// Is one connection, and what every `store` function of a service takes first.
pub type Conn = diesel_async::AsyncPgConnection;
/// Is the pool each service keeps.
pub type Pool = diesel_async::pooled_connection::deadpool::Pool<Conn>;
/// Is a connection on loan from the [`Pool`].
pub type PooledConn = diesel_async::pooled_connection::deadpool::Object<Conn>;
/// Says why the pool has no connection.
pub type PoolError = diesel_async::pooled_connection::deadpool::PoolError;
