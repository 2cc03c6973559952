//! The scheduler as the others see it: messages in, rows and messages out.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod accept;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod counting;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod expire;
#[cfg(test)]
mod field_playbooks;
#[cfg(test)]
mod fleet_steps;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod launch;
#[cfg(test)]
mod many;
#[cfg(test)]
mod metered;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod playbook_house;
#[cfg(test)]
mod playbooks;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod ssh;
#[cfg(test)]
mod support;
#[cfg(test)]
mod told;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod waves;
#[cfg(test)]
mod words;
