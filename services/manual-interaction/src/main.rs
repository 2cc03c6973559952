//! The service alone in its process.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::main::<manual_interaction::ManualInteraction>()
}
