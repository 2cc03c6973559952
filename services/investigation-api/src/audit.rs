//! `investigation-api audit verify`: tells whether the audit is whole.

use crate::App;
use crate::app::Audit;
use crate::store::audit::Head;
use anyhow::Context;
use clap::{Arg, ArgMatches, Command};
use std::io::Write;
use std::process::ExitCode;

/// Is the subcommand's name.
pub(crate) const NAME: &str = "audit";

/// Describes the subcommand.
pub(crate) fn command() -> Command {
    let noted = Arg::new("noted")
        .long("noted")
        .value_name("ID:HASH")
        .value_parser(noted)
        .help("A last row as an earlier run printed it; it must still be there");
    Command::new(NAME)
        .about("Looks after the record of changes and refusals")
        .subcommand_required(true)
        .subcommand(
            Command::new("verify").about("Checks that no row was changed or taken out").arg(noted),
        )
}

/// Runs the subcommand: prints the last row as `ID:HASH`; ends with 1 when the chain is broken.
pub(crate) async fn run(app: &App, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (_, matches) = matches.subcommand().context("say `audit verify`")?;
    match app.verify_audit(matches.get_one::<Head>("noted")).await? {
        Audit::Whole(head) => {
            writeln!(std::io::stdout(), "{}:{}", head.id, hex::encode(&head.hash))?;
            writeln!(std::io::stderr(), "the audit is whole: {} rows", head.id)?;
            Ok(ExitCode::SUCCESS)
        }
        Audit::Broken { id, what } => {
            writeln!(std::io::stderr(), "the audit is broken at row {id}: {what}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn noted(text: &str) -> Result<Head, String> {
    let parsed = text
        .split_once(':')
        .and_then(|(id, hash)| Some(Head { id: id.parse().ok()?, hash: hex::decode(hash).ok()? }));
    parsed.ok_or_else(|| "a row is ID:HASH, as `audit verify` prints it".into())
}
