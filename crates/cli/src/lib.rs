//! `writ`: signs actions, sends them to a fleet, follows them, brings back what the agents found.
//!
//! `main.rs` calls [`main`]; everything is here so that tests reach it. What can be typed is in [`cli`], each
//! command in [`commands`], how a run ends in [`exit`].

pub mod action;
pub mod cli;
pub mod commands;
pub mod config;
pub mod context;
pub mod duration;
pub mod exit;
pub mod follow;
pub mod gpg;
pub mod http;
pub mod keys;
pub mod outcome;
pub mod output;
pub mod watch;

use clap::Parser;
use exit::{Because, Exit, Failure, Kind};
use output::Screen;
use std::process::ExitCode;

/// Runs the tool as its arguments and variables say.
pub fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error).into(),
    };
    let screen = Screen::detect(cli.globals.no_color.as_deref());
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if failure.kind != Kind::ReaderGone {
                screen.note(&failure.render());
            }
            failure.exit.into()
        }
    }
}

/// Prints help or what was typed wrong; clap's own exit code for that means something else here.
fn usage(error: &clap::Error) -> Exit {
    // with the stream gone there is nobody to tell
    let _ = error.print();
    if error.use_stderr() { Exit::Error } else { Exit::Ok }
}

fn run(cli: cli::Cli) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .because(|| "cannot start".into())?;
    runtime.block_on(commands::run(cli))
}
