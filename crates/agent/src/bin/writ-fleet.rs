//! The `writ-fleet` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent::simulation::main()
}
