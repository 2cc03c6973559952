//! The store against a real PostgreSQL.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod failures;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod queries;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tx;
