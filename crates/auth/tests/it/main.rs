//! The investigators' copy on real servers, and what their keys are good for.

#[cfg(test)]
mod actions;
#[cfg(test)]
mod copy;
#[cfg(test)]
mod support;
