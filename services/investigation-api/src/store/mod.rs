//! Rows and statements; one file per aggregate.

pub(crate) mod actions;
pub(crate) mod audit;
pub(crate) mod command_rows;
pub(crate) mod commands;
pub(crate) mod counts;
pub(crate) mod find;
pub(crate) mod investigators;
pub(crate) mod loaders;
pub(crate) mod orders;
pub(crate) mod retention;
pub(crate) mod stats;
