//! The rules: what an order says, and when a run is over.

pub(crate) mod order;
pub(crate) mod run;
