//! The process as an operator sees it: commands, log, probes, signals, exit codes.

#[cfg(test)]
mod process;
