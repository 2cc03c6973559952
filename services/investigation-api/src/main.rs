//! investigation-api's process.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::main::<investigation_api::InvestigationApi>()
}
