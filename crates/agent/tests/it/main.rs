//! The agent against a small real server, with real keys, plugins and processes.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod plugins;
#[cfg(test)]
mod replays;
#[cfg(test)]
mod starting;
#[cfg(test)]
mod support;
