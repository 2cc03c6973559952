//! The command line of a service.

use crate::probe;
use crate::process::{self, Telemetry};
use crate::start::{self, start};
use crate::{Health, Service, Settings, Tasks};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use messaging::Shutdown;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// Is all of a service's `main`: serves, or does what the subcommand says.
pub fn main<S: Service>() -> ExitCode {
    main_from::<S>(std::env::args_os())
}

/// Does the same with other words than the process's own; the first is the program's name.
pub(crate) fn main_from<S: Service>(words: impl Iterator<Item = OsString>) -> ExitCode {
    let matches = match command::<S>().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => return explain(&error),
    };
    finish(dispatch::<S>(&matches))
}

/// Prints what clap has to say and gives its exit code.
pub(crate) fn explain(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Prints an error that came before there was a log.
pub(crate) fn finish(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "{error:#}");
        ExitCode::FAILURE
    })
}

fn command<S: Service>() -> Command {
    let command = Command::new(S::NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(
            "Every setting is also an environment variable; common ones have no service's name.",
        )
        .disable_help_subcommand(true);
    let command = Telemetry::augment_args(Settings::<S>::arguments(command));
    let command = command.mut_args(|arg| {
        if arg.get_long().is_some_and(|l| l != "help" && l != "version") {
            arg.global(true)
        } else {
            arg
        }
    });
    // the groups of settings put their own words there
    command
        .about(format!("Writ's {}; without a command it serves", S::NAME))
        .subcommand(Command::new("migrate").about("Brings the database up to date and ends"))
        .subcommand(Command::new("openapi").about("Prints the OpenAPI document and ends"))
        .subcommand(probe::command())
        .subcommands(S::commands())
}

fn dispatch<S: Service>(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    if matches.subcommand_name() == Some("openapi") {
        let document = web::openapi::document(S::NAME, S::routes);
        writeln!(std::io::stdout(), "{}", document.to_pretty_json()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some((probe::NAME, own)) = matches.subcommand() {
        let listen = matches.get_one::<String>("admin_listen").map_or("", String::as_str);
        return probe::run(own, listen).map(|()| ExitCode::SUCCESS);
    }
    let telemetry = Telemetry::from_arg_matches(matches)?;
    let settings = Settings::<S>::from_matches(matches)?;
    process::run(S::NAME, &telemetry, async |shutdown| match matches.subcommand() {
        None => {
            start(settings, shutdown).await?.finish().await?;
            Ok(ExitCode::SUCCESS)
        }
        Some(("migrate", _)) => {
            start::migrate::<S>(&settings.common).await?;
            Ok(ExitCode::SUCCESS)
        }
        Some((name, own)) => run_command(settings, shutdown, name, own).await,
    })
}

async fn run_command<S: Service>(
    settings: Settings<S>,
    shutdown: Shutdown,
    name: &str,
    matches: &ArgMatches,
) -> anyhow::Result<ExitCode> {
    let home = tokio::runtime::Handle::current();
    let tasks = Tasks::new(home, Health::default(), shutdown.clone());
    let parts = start::parts(&settings, tasks, shutdown).await?;
    S::command(parts, settings.config, name, matches).await
}
