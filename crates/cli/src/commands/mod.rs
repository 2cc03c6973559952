//! One file per command.

mod action;
mod agent;
mod agents;
mod audit;
mod bootstrap;
mod config;
mod document;
mod enrol;
mod investigator;
mod key;
mod loader;
mod manifest;
mod playbook;
mod plugin;
mod run;
mod search;
mod sign_step;
mod step;
mod task;
mod team;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::http::Api;
use crate::output::Format;
use crate::output::list::{List, Rows};
use clap::CommandFactory;
use serde::de::DeserializeOwned;

/// Runs the command that was typed.
pub async fn run(cli: Cli) -> Result<Exit, Failure> {
    if let Command::Completion(completion) = &cli.command {
        return complete(completion.shell, &cli);
    }
    let context = Context::new(cli.globals)?;
    match cli.command {
        Command::Bootstrap(args) => bootstrap::run(&context, args).await,
        Command::Investigator(args) => investigator::run(&context, args).await,
        Command::Audit(args) => audit::run(&context, args).await,
        Command::Key(args) => key::run(&context, args).await,
        Command::Config(args) => config::run(&context, args),
        Command::Enrol(args) => enrol::run(&context, args).await,
        Command::Plugin(args) => plugin::run(&context, args).await,
        Command::Playbook(args) => playbook::run(&context, args).await,
        Command::Loader(args) => loader::run(&context, args).await,
        Command::Manifest(args) => manifest::run(&context, args).await,
        Command::Step(args) => step::run(&context, args).await,
        Command::Agent(args) => agent::run(&context, args).await,
        Command::Team(args) => team::run(&context, args).await,
        Command::Task(args) => task::run(&context, args).await,
        Command::Agents(args) => agents::run(&context, args).await,
        Command::Search(args) => search::run(&context, &args).await,
        Command::Action(command) => document::run(&context, &command).await,
        Command::Run(args) => run::run(&context, *args).await,
        Command::Status(args) => action::status(&context, &args).await,
        Command::Results(args) => action::results(&context, &args).await,
        Command::Wait(args) => action::wait(&context, &args).await,
        Command::Cancel(args) => action::cancel(&context, &args).await,
        Command::Completion(_) => Ok(Exit::Ok),
    }
}

fn complete(shell: clap_complete::Shell, cli: &Cli) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "writ", &mut script);
    let screen = crate::output::Screen::detect(cli.globals.no_color.as_deref());
    screen.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Ok)
}

/// Prints a whole list, page by page.
async fn print_list<T: Rows + DeserializeOwned>(
    context: &Context,
    api: &Api,
    path: &[&str],
    format: Format,
) -> Result<Exit, Failure> {
    print_some::<T>(context, api, path, &[], format).await
}

/// Prints what a list has for a query, page by page.
async fn print_some<T: Rows + DeserializeOwned>(
    context: &Context,
    api: &Api,
    path: &[&str],
    query: &[(&str, &str)],
    format: Format,
) -> Result<Exit, Failure> {
    let mut list = List::<T>::new(format, context.screen);
    let mut cursor = None;
    loop {
        let page = api.page::<T>(path, query, cursor.as_deref()).await?;
        for item in page.items {
            list.push(&item.raw, &item.value)?;
        }
        cursor = page.next;
        if cursor.is_none() {
            list.finish()?;
            return Ok(Exit::Ok);
        }
    }
}
