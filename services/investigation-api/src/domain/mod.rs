//! The rules: which orders are accepted, and how a command is shown.

pub(crate) mod audit;
pub(crate) mod dispatch;
pub(crate) mod order;
pub(crate) mod pattern;
pub(crate) mod search;
pub(crate) mod state;
