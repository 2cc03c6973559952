//! The copy of the agents, on a real database and a real broker.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod apply;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod select;
#[cfg(test)]
mod support;
#[cfg(test)]
mod targets;
