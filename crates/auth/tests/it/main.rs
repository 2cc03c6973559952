//! The investigators' copy on real servers, and what their keys are good for.

mod actions;
mod copy;
mod support;
