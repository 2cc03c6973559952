//! The house as a whole: `scripts/up --apart`, a real agent, real signatures, processes that are killed.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod collector;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod enrolment;
#[cfg(test)]
mod eyes;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod house;
#[cfg(test)]
mod installs;
#[cfg(test)]
mod investigator;
#[cfg(test)]
mod kill_services;
#[cfg(test)]
mod pending;
#[cfg(test)]
mod playbook;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod rolling;
#[cfg(test)]
mod saved;
#[cfg(test)]
mod threats;
#[cfg(test)]
mod traces;
