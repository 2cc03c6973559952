//! The `writ-agent` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    agent::main()
}
