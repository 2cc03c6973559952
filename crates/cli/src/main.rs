//! `writ`, the investigator's tool.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
