//! Messages over a real PostgreSQL and a real RabbitMQ.

mod bodies;
mod crash;
mod dead;
mod once;
mod outage;
mod process;
mod retry;
mod support;
mod trace;
mod unroutable;
