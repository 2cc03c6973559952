//! The service alone in its process.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::main::<loader_manifest::LoaderManifest>()
}
