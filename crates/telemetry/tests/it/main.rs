//! A process's telemetry reaches a collector, and what is left at its end too.

#[cfg(test)]
mod collector;
