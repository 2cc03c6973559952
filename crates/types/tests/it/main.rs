//! The contracts of the house against their samples.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod samples;
