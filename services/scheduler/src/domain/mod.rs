//! The rules: what an order says, when its commands are given out, and when a run is over.

pub(crate) mod dispatch;
pub(crate) mod order;
pub(crate) mod run;
