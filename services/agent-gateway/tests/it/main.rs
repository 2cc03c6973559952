//! agent-gateway as the others see it: HTTP and messages in, HTTP and messages out.

mod access;
mod agents;
mod answers;
mod device_flow;
mod leases;
mod mig;
mod plans;
mod plugins;
mod polls;
mod presence;
mod replicas;
mod support;
mod withdrawals;
