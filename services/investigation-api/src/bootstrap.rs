//! `investigation-api bootstrap`: the first administrator, made where the database is.

use crate::App;
use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Is the subcommand's name.
pub(crate) const NAME: &str = "bootstrap";
/// Says how many bytes of a key file are read.
const MAX_KEY: u64 = 64 * 1024;

/// Describes the subcommand.
pub(crate) fn command() -> Command {
    Command::new(NAME)
        .about("Creates the first administrator; works only while there is none")
        .arg(Arg::new("name").long("name").required(true).help("The administrator's name"))
        .arg(
            Arg::new("public-key")
                .long("public-key")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("File with their armored OpenPGP public key"),
        )
        .arg(
            Arg::new("apikey")
                .long("apikey")
                .action(ArgAction::SetTrue)
                .help("Also makes an API key and prints it, this once"),
        )
}

/// Runs the subcommand: the API key on stdout, everything else on stderr.
pub(crate) async fn run(app: &App, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let name = matches.get_one::<String>("name").context("--name is missing")?;
    let file = matches.get_one::<PathBuf>("public-key").context("--public-key is missing")?;
    let mut key = String::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(MAX_KEY).read_to_string(&mut key))
        .with_context(|| format!("{} cannot be read", file.display()))?;
    let made = app.bootstrap(name, &key, matches.get_flag("apikey")).await?;
    writeln!(
        std::io::stderr(),
        "investigator {} ({name}, {}) is the first administrator",
        made.id,
        made.fingerprint
    )?;
    if let Some(api_key) = made.api_key {
        writeln!(std::io::stdout(), "{api_key}")?;
    }
    Ok(ExitCode::SUCCESS)
}
