//! Targets against a real PostgreSQL: the realistic ones, hostile ones, and many generated ones whose answers in SQL
//! and in memory must be the same for every row.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod fleet;
#[cfg(test)]
mod generated;
#[cfg(test)]
mod injection;
#[cfg(test)]
mod pools;
#[cfg(test)]
mod realistic;
#[cfg(test)]
mod texts;
