//! Runs the command line.

use crate::config::{Cli, Command, EnrolArgs, RunArgs};
use crate::enrol::{Announcement, EnrolError, enrol};
use crate::work::{Agent, Ending, NotEnrolled};
use anyhow::Context as _;
use clap::Parser as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use types::Clock;

/// Is the exit code of an agent that has to be enrolled, or that nobody wants.
const NOT_ENROLLED: u8 = 3;

/// Runs the program: exit code 0 when it did what it was asked or was stopped, 1 when it failed, 2 for wrong
/// arguments, 3 when the agent is not, or no longer, enrolled.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = log_to_stderr(&cli.log) {
        return complain(&error);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.into()),
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Enrol(args) => enrol_only(&args).await,
            Command::Run(args) => run(&args).await,
        }
    });
    // a module that hangs in the kernel must not keep the program
    runtime.shutdown_timeout(Duration::from_secs(1));
    code.unwrap_or_else(|error| {
        let code = complain(&error);
        if error.is::<NotEnrolled>() { ExitCode::from(NOT_ENROLLED) } else { code }
    })
}

async fn enrol_only(args: &EnrolArgs) -> anyhow::Result<ExitCode> {
    let server = args.server.server()?;
    let enrolment = args.server.enrolment(args.again);
    match enrol(&server, &args.server.state, &enrolment, &mut announce).await {
        Ok(()) => {
            say("this agent is enrolled")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => refused(error),
    }
}

async fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let settings = args.settings()?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let mut stop = std::pin::pin!(stop);
    if args.enrol {
        let enrolment = args.server.enrolment(false);
        let mut show = announce;
        let enrolled = tokio::select! {
            () = &mut stop => return Ok(ExitCode::SUCCESS),
            enrolled = enrol(&settings.server, &settings.state, &enrolment, &mut show) => enrolled,
        };
        match enrolled {
            Ok(()) | Err(EnrolError::Already) => {}
            Err(error) => return refused(error),
        }
    }
    let agent = Agent::open(settings, Clock::system())?;
    Ok(match agent.run(stop).await? {
        Ending::Stopped => ExitCode::SUCCESS,
        Ending::Revoked => {
            say(
                "the server does not know this agent any more; enrol it with: writ-agent enrol --again",
            )?;
            ExitCode::from(NOT_ENROLLED)
        }
    })
}

fn refused(error: EnrolError) -> anyhow::Result<ExitCode> {
    match error {
        EnrolError::Denied | EnrolError::Refused(_) => {
            say(&format!("error: {error}"))?;
            Ok(ExitCode::from(NOT_ENROLLED))
        }
        error => Err(error.into()),
    }
}

/// Shows a device code, in lines that people and scripts can read.
fn announce(announcement: &Announcement) {
    let Announcement { address, user_code } = announcement;
    let shown =
        say(&format!("to enrol this machine, open: {address}\nand enter the code: {user_code}"));
    if let Err(error) = shown {
        tracing::error!(%error, "nobody can be shown the code");
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr().lock(), "{text}").context("cannot write to standard error")
}

fn complain(error: &anyhow::Error) -> ExitCode {
    say(&format!("error: {error:#}")).ok();
    ExitCode::FAILURE
}

fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .with_context(|| format!("'{filter}' is not a log filter"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init()
        .map_err(|error| anyhow::anyhow!("cannot set up the log: {error}"))
}
