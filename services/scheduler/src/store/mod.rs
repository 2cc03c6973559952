//! Rows and statements; one file per aggregate.

pub(crate) mod commands;
pub(crate) mod runs;
