//! The agent against a small real server, with real keys, plugins and processes.

mod enrolment;
mod kills;
mod orders;
mod outages;
mod plugins;
mod replays;
mod starting;
mod support;
