//! Rows and statements; one file per aggregate.

pub(crate) mod commands;
pub(crate) mod executions;
pub(crate) mod playbooks;
pub(crate) mod retention;
pub(crate) mod runs;
