//! Rows and statements; one file per aggregate.

pub(crate) mod commands;
pub(crate) mod executions;
pub(crate) mod playbooks;
pub(crate) mod retention;
mod run_row;
pub(crate) mod runs;
pub(crate) mod words;
