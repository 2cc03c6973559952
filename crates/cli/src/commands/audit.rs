//! `writ audit`: has investigation-api's own program follow the audit.

use super::bootstrap::{PROGRAM, output, program};
use crate::cli::Audit;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use tokio::process::Command;

pub(super) async fn run(context: &Context, args: Audit) -> Result<Exit, Failure> {
    let Audit::Verify { noted } = args;
    let program = program();
    let mut command = Command::new(&program);
    command.args(["audit", "verify"]);
    if let Some(noted) = noted {
        command.args(["--noted", &noted]);
    }
    let output = output(command, &program).await?;
    if !output.status.success() {
        return Err(Failure::new("the audit is not whole, or could not be read")
            .why(format!("{PROGRAM} ended with {}; its words are above", output.status))
            .next("WRIT_INVESTIGATION_API_DATABASE_URL must name the database"));
    }
    context.screen.data(&String::from_utf8_lossy(&output.stdout))?;
    Ok(Exit::Ok)
}
