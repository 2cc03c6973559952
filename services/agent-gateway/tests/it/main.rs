//! agent-gateway as the others see it: HTTP and messages in, HTTP and messages out.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod access;
#[cfg(test)]
mod agents;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod arguments;
#[cfg(test)]
mod asks;
#[cfg(test)]
mod days;
#[cfg(test)]
mod device_flow;
#[cfg(test)]
mod happy;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod loaders;
#[cfg(test)]
mod mig;
#[cfg(test)]
mod mig_agent;
#[cfg(test)]
mod mig_busy;
#[cfg(test)]
mod mig_claims;
#[cfg(test)]
mod mig_floods;
#[cfg(test)]
mod mig_heartbeats;
#[cfg(test)]
mod mig_killed;
#[cfg(test)]
mod mig_outage;
#[cfg(test)]
mod mig_races;
#[cfg(test)]
mod mig_work;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod page;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod plugins;
#[cfg(test)]
mod polls;
#[cfg(test)]
mod presence;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod runbook;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod seed;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod withdrawals;
