//! Messages over a real PostgreSQL and a real RabbitMQ.
//!
//! `cfg(test)` tells clippy that helpers are test code too.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod dead;
#[cfg(test)]
mod meters;
#[cfg(test)]
mod once;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod process;
#[cfg(test)]
mod retry;
#[cfg(test)]
mod support;
#[cfg(test)]
mod trace;
#[cfg(test)]
mod unroutable;
