//! A simulated fleet: very many agents in one process, honest ones and others, that checks what the server made of it.
//!
//! | file | holds |
//! |---|---|
//! | `config` | the command line |
//! | `nature` | what kind of agent each one is, by the seed |
//! | `dialect` | what all languages of agents have in common |
//! | `writ`, `mig`, `runbook` | the languages; `broker` is MIG's line |
//! | `agents` | the agents at work |
//! | `sockets` | how many connections a machine can have |
//! | `record` | what happened, and what may never happen |
//! | `check` | whether the server tells the same: reads it |
//! | `ledger`, `presence` | judge what it tells of actions, and of agents |

mod agents;
mod broker;
mod check;
mod config;
mod dialect;
mod ledger;
mod mig;
mod nature;
mod presence;
mod record;
mod runbook;
mod sockets;
mod writ;

use crate::enrol::chain;
use agents::Fleet;
use anyhow::Context as _;
use clap::Parser as _;
use config::{Cli, Kind};
use dialect::Dialect;
use nature::Nature;
use record::Record;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use types::Clock;

/// Runs the program: exit code 0 when nothing happened that may not happen, 1 when something did or it could not work,
/// 2 for wrong arguments. Its last line on standard output is one JSON object.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.into()),
    };
    let result = runtime.block_on(play(&cli));
    runtime.shutdown_timeout(Duration::from_secs(1));
    match result {
        Ok((line, well)) => {
            let written = writeln!(std::io::stdout().lock(), "{line}");
            if well && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => complain(&error),
    }
}

/// Simulates what the words of a command line ask for; gives the line and whether nothing happened that may not happen.
pub async fn simulate(words: &[&str]) -> anyhow::Result<(Value, bool)> {
    let program = std::iter::once(&"writ-fleet");
    play(&Cli::try_parse_from(program.chain(words))?).await
}

async fn play(cli: &Cli) -> anyhow::Result<(Value, bool)> {
    sockets::raise_limit();
    match cli.kind {
        Kind::Writ => run(writ::Writ::new(cli)?, cli).await,
        Kind::Mig => run(mig::Mig::connect(cli).await?, cli).await,
        Kind::Runbook => run(runbook::Runbook::new(cli)?, cli).await,
    }
}

/// How long the fleet may take to send to its end what it sends when it is told to stop.
const LAST: Duration = Duration::from_secs(30);

/// Lets the fleet live, and leave whatever became of it.
async fn run<D: Dialect>(dialect: D, cli: &Cli) -> anyhow::Result<(Value, bool)> {
    let dialect = Arc::new(dialect);
    let lived = live(&dialect, cli).await;
    dialect.leave().await;
    lived
}

/// Enrols the fleet, lets it work until it is told to stop, and checks what came of it.
async fn live<D: Dialect>(dialect: &Arc<D>, cli: &Cli) -> anyhow::Result<(Value, bool)> {
    let began = Clock::system().now();
    let record = Arc::new(Record::default());
    let (halt, halted) = watch::channel(false);
    let fleet = Fleet::enrol(Arc::clone(dialect), cli, Arc::clone(&record), halted).await?;
    let enrolled = Clock::system().now() - began;
    say(&format!("{} agents are enrolled", cli.agents));
    let server = check::Server::new(cli)?;
    let start = Instant::now();
    let mut work = Box::pin(fleet.work());
    tokio::select! {
        () = &mut work => {}
        () = dialect.attend() => {}
        stopped = stop(cli, &server, began) => stopped?,
    }
    record.stop();
    let seconds = start.elapsed().as_secs_f64();
    halt.send_replace(true);
    // of what is cut off then nobody knows whether it arrived, and the record knows that
    if tokio::time::timeout(LAST, work).await.is_err() {
        say("some answers could not be sent to their end");
    }
    let actions = server.compare::<D>(cli, &record, began).await?;
    let mut line = record.report(seconds);
    if let Value::Object(members) = &mut line {
        members.insert("kind".into(), D::KIND.into());
        members.insert("label".into(), cli.label.clone().into());
        members.insert("agents".into(), cli.agents.into());
        members.insert("seed".into(), cli.seed.into());
        members.insert("natures".into(), natures(cli));
        members.insert("enrolled_seconds".into(), rounded(enrolled.as_seconds_f64()));
        members.insert("actions".into(), actions);
    }
    Ok((line, record.is_sound()))
}

/// Waits for a signal, the time, or the end of so many actions.
async fn stop(
    cli: &Cli,
    server: &check::Server,
    began: time::OffsetDateTime,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let over = async {
        match cli.actions {
            Some(count) => {
                while server.count_over(began).await < count {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
            None => std::future::pending().await,
        }
    };
    let time = async {
        match cli.seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = over => {}
        () = time => {}
    }
    Ok(())
}

/// Counts the agents of each nature.
fn natures(cli: &Cli) -> Value {
    let mut counts = BTreeMap::<&str, u32>::new();
    for agent in 1..=cli.agents {
        *counts.entry(Nature::of(agent, cli.seed, &cli.parts).name()).or_default() += 1;
    }
    json!(counts)
}

fn rounded(number: f64) -> Value {
    json!((number * 1000.0).round() / 1000.0)
}

fn say(text: &str) {
    // there is nobody else to tell
    let _lost = writeln!(std::io::stderr().lock(), "{text}");
}

fn complain(error: &anyhow::Error) -> ExitCode {
    say(&format!("error: {}", chain(error.as_ref())));
    ExitCode::FAILURE
}
