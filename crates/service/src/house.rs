//! Several services in one process, behind one public origin as well as each on its own.

use crate::process::{self, Telemetry};
use crate::start::{self, start};
use crate::{Common, Running, Service, Settings, cli, contracts};
use anyhow::Context;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use futures_util::future::{BoxFuture, try_join_all};
use messaging::Shutdown;
use std::env::ArgsOs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use web::{Site, server};

/// Is a process of several services; each keeps its database, its queues and its settings from the environment.
pub struct House {
    name: &'static str,
    members: Vec<Box<dyn Member>>,
}

#[derive(Args)]
struct Front {
    /// The one public origin, which routes every path to its service
    #[arg(long, env = "WRIT_LISTEN", value_name = "HOST:PORT", default_value = "127.0.0.1:8000")]
    listen: String,
    /// How many event loops serve the public origin
    #[arg(long, env = "WRIT_WORKERS", value_name = "COUNT", default_value_t = 2)]
    workers: usize,
    #[command(flatten)]
    telemetry: Telemetry,
}

trait Member {
    fn name(&self) -> &'static str;
    fn main(&self, words: ArgsOs) -> ExitCode;
    fn settings(&self) -> Result<Box<dyn Configured>, clap::Error>;
    fn openapi(&self) -> anyhow::Result<(&'static str, String)>;
}

trait Configured: Send {
    fn common(&self) -> &Common;
    fn migrate(&self) -> BoxFuture<'_, anyhow::Result<()>>;
    fn start(
        self: Box<Self>,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, anyhow::Result<Box<dyn Started>>>;
}

trait Started: Send {
    fn site(&self) -> Site;
    fn finish(self: Box<Self>) -> BoxFuture<'static, anyhow::Result<()>>;
}

struct Of<S>(std::marker::PhantomData<fn() -> S>);

impl<S: Service> Member for Of<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn main(&self, words: ArgsOs) -> ExitCode {
        cli::main_from::<S>(words)
    }

    fn settings(&self) -> Result<Box<dyn Configured>, clap::Error> {
        Ok(Box::new(Settings::<S>::parse(std::iter::empty::<&str>())?))
    }

    fn openapi(&self) -> anyhow::Result<(&'static str, String)> {
        Ok((S::NAME, web::openapi::document(S::NAME, S::routes).to_pretty_json()?))
    }
}

impl<S: Service> Configured for Settings<S> {
    fn common(&self) -> &Common {
        &self.common
    }

    fn migrate(&self) -> BoxFuture<'_, anyhow::Result<()>> {
        Box::pin(start::migrate::<S>(&self.common))
    }

    fn start(
        self: Box<Self>,
        shutdown: Shutdown,
    ) -> BoxFuture<'static, anyhow::Result<Box<dyn Started>>> {
        Box::pin(async move {
            let running = start(*self, shutdown).await;
            let started: Box<dyn Started> = Box::new(running.with_context(|| S::NAME)?);
            Ok(started)
        })
    }
}

impl<S: Service> Started for Running<S> {
    fn site(&self) -> Site {
        self.site.clone()
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async move { Running::finish(*self).await })
    }
}

impl House {
    /// Makes an empty house.
    pub fn new(name: &'static str) -> Self {
        Self { name, members: Vec::new() }
    }

    /// Takes a service in.
    #[must_use]
    pub fn with<S: Service>(mut self) -> Self {
        self.members.push(Box::new(Of::<S>(std::marker::PhantomData)));
        self
    }

    /// Is all of the process's `main`: serves, or does what the subcommand says. A service's name as the first word
    /// makes it the process of this service alone, so that an image needs one program.
    pub fn main(self) -> ExitCode {
        let first = std::env::args_os().nth(1);
        let alone = self.members.iter().find(|m| first.as_ref().is_some_and(|f| f == m.name()));
        if let Some(member) = alone {
            let mut words = std::env::args_os();
            let _ = words.next(); // the service's name then stands for the program's
            return member.main(words);
        }
        // the groups of settings would each put their own words there
        let about = "All services of Writ in one process; without a command it serves";
        let matches = match Front::augment_args(self.command()).about(about).try_get_matches() {
            Ok(matches) => matches,
            Err(error) => return cli::explain(&error),
        };
        match matches.subcommand() {
            Some(("paths", _)) => cli::finish(contracts::print_paths().map(|()| ExitCode::SUCCESS)),
            Some(("rights", _)) => {
                cli::finish(contracts::print_rights().map(|()| ExitCode::SUCCESS))
            }
            Some(("docs", own)) => cli::finish(self.docs(own).map(|()| ExitCode::SUCCESS)),
            _ => self.work(&matches),
        }
    }

    fn command(&self) -> Command {
        let out = Arg::new("out").long("out").value_name("DIR").required(true);
        let out = out.value_parser(clap::value_parser!(PathBuf)).help("Where the files go");
        Command::new(self.name)
            .version(env!("CARGO_PKG_VERSION"))
            .after_help("Each service takes its settings from the environment; see its own --help.")
            .subcommand(Command::new("migrate").about("Brings all databases up to date and ends"))
            .subcommand(Command::new("paths").about("Prints which service answers which paths"))
            .subcommand(
                Command::new("rights").about("Prints what accounts on the broker may do, as JSON"),
            )
            .subcommand(
                Command::new("docs").about("Writes the contracts: AsyncAPI and OpenAPI").arg(out),
            )
    }

    fn docs(&self, matches: &ArgMatches) -> anyhow::Result<()> {
        let folder: &PathBuf = matches.get_one("out").context("--out is missing")?;
        let services: anyhow::Result<Vec<_>> = self.members.iter().map(|m| m.openapi()).collect();
        contracts::write(folder, &services?)
    }

    fn work(&self, matches: &ArgMatches) -> ExitCode {
        let mut members = Vec::new();
        for member in &self.members {
            match member.settings() {
                Ok(settings) => members.push(settings),
                Err(error) => return cli::explain(&error),
            }
        }
        let migrates = matches.subcommand_name() == Some("migrate");
        cli::finish(Front::from_arg_matches(matches).map_err(Into::into).and_then(|front| {
            process::run(self.name, &front.telemetry.clone(), async |shutdown| {
                if migrates {
                    try_join_all(members.iter().map(|member| member.migrate())).await?;
                } else {
                    serve(front, members, shutdown).await?;
                }
                Ok(ExitCode::SUCCESS)
            })
        }))
    }
}

async fn serve(
    front: Front,
    members: Vec<Box<dyn Configured>>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(&front.listen)
        .with_context(|| format!("cannot listen on {}", front.listen))?;
    let address = listener.local_addr()?;
    let Some(first) = members.first() else { return Ok(()) };
    let settings = server::Settings { workers: front.workers.max(1), ..first.common().server() };
    let linger = members.iter().map(|member| member.common().linger()).max().unwrap_or_default();
    let starts = members.into_iter().map(|member| member.start(shutdown.clone()));
    let started = try_join_all(starts).await?;
    let sites: Vec<Site> = started.iter().map(|member| member.site()).collect();
    let public = server::public(listener, &settings, &sites)?;
    let handle = public.handle();
    let serving = tokio::runtime::Handle::current().spawn(public);
    tracing::info!(%address, "all services are served");
    shutdown.wait().await;
    // the public port ends together with the services' own: it goes on for a while, and then requests at hand are
    // answered and new ones refused
    let public = async {
        tokio::time::sleep(linger).await;
        let patience = settings.drain + Duration::from_secs(2);
        let _ = tokio::time::timeout(patience, handle.stop(true)).await;
        serving.abort();
        anyhow::Ok(())
    };
    let ends = futures_util::future::join_all(started.into_iter().map(Started::finish));
    let (public, ends) = tokio::join!(public, ends);
    public?;
    ends.into_iter().collect()
}
