//! A small service on real servers: how it starts, answers, fails and ends.
#![expect(clippy::disallowed_methods, reason = "a test waits for the tasks that it starts")]

#[cfg(test)]
mod callers;
#[cfg(test)]
mod dialects;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod lines;
#[cfg(test)]
mod public;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod start;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod support;
