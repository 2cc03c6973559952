//! The agent at work: asks for work, runs it, hands in answers, describes itself; all at the same time.

use crate::backoff::{Backoff, Pace, jitter};
use crate::check::Rules;
use crate::client::{CallError, Client, Server};
use crate::enrol::chain;
use crate::facts;
use crate::operation::Operations;
use crate::plugin::{PluginPolicy, Plugins, Signers};
use crate::python::Python;
use crate::question::Question;
use crate::run::Desk;
use crate::sending;
use crate::state::StateDir;
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};
use types::Clock;

/// Says how an agent works.
#[derive(Debug)]
pub struct Settings {
    /// Where its server is.
    pub server: Server,
    /// Its own directory.
    pub state: PathBuf,
    /// What it judges orders by.
    pub rules: Rules,
    /// How many bytes of elements an operation may bring back.
    pub max_output: usize,
    /// How long an operation may take.
    pub module_timeout: Duration,
    /// The Python to run plugins with; the machine's when there is none.
    pub python: Option<PathBuf>,
    /// The SHA-512s of plugins that may run, in lower-case hexadecimal; all when there is none.
    pub plugin_hashes: Option<BTreeSet<String>>,
    /// Whether plugins need a signature by one of the keys that orders are judged by.
    pub signed_plugins: bool,
    /// How many orders run at the same time.
    pub concurrency: usize,
    /// How long to wait after errors.
    pub pace: Pace,
    /// How long to ask for work in one call.
    pub wait: Duration,
    /// How long orders that run may still take when the agent is stopped.
    pub grace: Duration,
}

impl Settings {
    /// Gives the usual settings.
    pub fn new(server: Server, state: PathBuf, rules: Rules) -> Self {
        Self {
            server,
            state,
            rules,
            max_output: MAX_OUTPUT,
            module_timeout: Duration::from_mins(5),
            python: None,
            plugin_hashes: None,
            signed_plugins: false,
            concurrency: 4,
            pace: Pace::default(),
            wait: Duration::from_secs(30),
            grace: Duration::from_secs(10),
        }
    }
}

/// Says why an agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to.
    Stopped,
    /// Its token is no longer good; it has to be enrolled again.
    Revoked,
}

/// Says that an agent has no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this agent is not enrolled; run: writ-agent enrol")]
pub struct NotEnrolled;

/// Is an enrolled agent.
#[derive(Debug)]
pub struct Agent {
    shared: Arc<Shared>,
    _state: StateDir,
}

/// Is what the agent's tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) desk: Desk,
    pub(crate) pace: Pace,
    ending: watch::Sender<Option<Ending>>,
    proxy: Option<String>,
    wait: Duration,
    grace: Duration,
}

/// Says how many bytes an operation may bring back if nothing else is said: the server cuts a result at 8 MiB, and
/// there is something around the elements.
pub(crate) const MAX_OUTPUT: usize = 8 * 1024 * 1024 - 256 * 1024;
/// Says how often the machine is looked at for changes.
const LOOK: Duration = Duration::from_mins(1);
/// Says how often the machine is described though nothing changed.
const REPORT: Duration = Duration::from_hours(1);
/// Says how often the assigned plugins are looked up.
const SYNC: Duration = Duration::from_mins(10);
/// Says how often the ledger is tidied.
const TIDY: Duration = Duration::from_hours(1);

impl Agent {
    /// Opens the agent's state; fails with [`NotEnrolled`] when there is no token.
    pub fn open(settings: Settings, clock: Clock) -> anyhow::Result<Self> {
        let state = StateDir::open(&settings.state)?;
        let token = state.token()?.ok_or(NotEnrolled)?;
        let client = Client::new(&settings.server, &facts::machine())?.with_token(&token)?;
        let signers = settings.signed_plugins.then(|| Signers {
            keys: settings.rules.keys.clone(),
            policy: settings.rules.policy.clone(),
            clock: clock.clone(),
        });
        let policy = PluginPolicy { allowed: settings.plugin_hashes, signers };
        let operations = Operations {
            plugins: Plugins::new(state.dir("plugins"), client.clone(), policy, settings.pace),
            python: Python::new(settings.python.as_deref(), state.dir("tmp")),
            timeout: settings.module_timeout,
            clock,
        };
        let (concurrency, max_output) = (settings.concurrency, settings.max_output);
        let desk = Desk::open(&state, settings.rules, operations, concurrency, max_output)?;
        let shared = Shared {
            client,
            desk,
            pace: settings.pace,
            ending: watch::Sender::new(None),
            proxy: settings.server.proxy.map(|proxy| printable_proxy(&proxy)),
            wait: settings.wait,
            grace: settings.grace,
        };
        Ok(Self { shared: Arc::new(shared), _state: state })
    }

    /// Works until `stop` or until the token is revoked; waits for orders that run, but not for long.
    pub async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<Ending> {
        let shared = &self.shared;
        shared.desk.report_interrupted().await.context("cannot look through the ledger")?;
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(shared).describe());
        tasks.spawn(Arc::clone(shared).sync_plugins());
        tasks.spawn(Arc::clone(shared).tidy());
        tasks.spawn(sending::send(Arc::clone(shared)));
        tasks.spawn(Arc::clone(shared).poll());
        tracing::info!("at work");
        let mut stop = pin!(stop);
        let mut broken = None;
        loop {
            tokio::select! {
                () = &mut stop, if shared.ending().is_none() => shared.end(Ending::Stopped),
                ended = tasks.join_next() => match ended {
                    None => break,
                    Some(Ok(())) => {}
                    Some(Err(error)) => {
                        shared.end(Ending::Stopped);
                        broken = Some(error);
                    }
                },
            }
        }
        if let Some(error) = broken {
            return Err(error).context("a part of the agent broke off");
        }
        let ending = shared.ending().unwrap_or(Ending::Stopped);
        shared.desk.report_interrupted().await.context("cannot look through the ledger")?;
        if ending == Ending::Stopped {
            sending::flush(shared, Duration::from_secs(5)).await;
        }
        Ok(ending)
    }
}

impl Shared {
    fn ending(&self) -> Option<Ending> {
        *self.ending.borrow()
    }

    /// Ends the agent; the first reason counts.
    pub(crate) fn end(&self, ending: Ending) {
        self.ending.send_if_modified(|now| now.is_none() && now.replace(ending).is_none());
    }

    /// Waits until the agent ends.
    pub(crate) async fn ended(&self) {
        // the sender lives as long as this
        self.ending.subscribe().wait_for(Option::is_some).await.ok();
    }

    /// Waits; tells whether to go on.
    pub(crate) async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.ended() => false,
            () = sleep(pause) => true,
        }
    }

    /// Waits as long as a failed call makes necessary; tells whether to go on.
    pub(crate) async fn after(&self, error: &CallError, what: &str, backoff: &mut Backoff) -> bool {
        if matches!(error, CallError::Unauthorized) {
            tracing::error!("{error}; it was revoked: enrol this agent again");
            self.end(Ending::Revoked);
            return false;
        }
        let pause = backoff.wait(error.retry_after());
        let error = chain(error);
        tracing::warn!(error, pause.seconds = pause.as_secs_f32(), "cannot {what}, trying again");
        self.pause(pause).await
    }

    /// Asks for work and has it run.
    async fn poll(self: Arc<Self>) {
        let mut runs = JoinSet::new();
        let mut backoff = Backoff::new(self.pace);
        let mut question = Question::default();
        let mut go_on = true;
        while go_on {
            while let Some(ran) = runs.try_join_next() {
                self.note(ran).await;
            }
            let asked = Instant::now();
            let holds = self.desk.holds();
            let answer = tokio::select! {
                () = self.ended() => break,
                answer = self.client.work(self.wait, &holds, &mut question) => answer,
            };
            go_on = match answer {
                Ok(work) => {
                    backoff.reset();
                    let fresh =
                        work.items.into_iter().map(|item| Desk::take(&self, item, &mut runs));
                    // a server that answers at once and has nothing must not be asked in a tight loop
                    let idle = fresh.filter(|fresh| *fresh).count() == 0;
                    let hasty = idle && asked.elapsed() < Duration::from_secs(1);
                    !hasty || self.pause(jitter(self.pace.first)).await
                }
                Err(error) => self.after(&error, "ask for work", &mut backoff).await,
            };
        }
        let finish = async { while runs.join_next().await.is_some() {} };
        if tokio::time::timeout(self.grace, finish).await.is_err() {
            tracing::warn!(runs = runs.len(), "orders are broken off");
            runs.shutdown().await;
        }
    }

    async fn note(&self, ran: Result<(), JoinError>) {
        let Err(error) = ran else { return };
        tracing::error!(%error, "a run broke off");
        if let Err(error) = self.desk.report_interrupted().await {
            tracing::error!(%error, "cannot look through the ledger");
        }
    }

    /// Describes the machine at the start, when it changed, and now and then.
    async fn describe(self: Arc<Self>) {
        let mut backoff = Backoff::new(self.pace);
        let mut last = None;
        loop {
            let report = facts::report(self.proxy.as_deref());
            let known = last.as_ref().is_some_and(|(known, at): &(_, Instant)| {
                *known == report && at.elapsed() < REPORT
            });
            let go_on = if known {
                self.pause(LOOK).await
            } else {
                match self.client.report(&report).await {
                    Ok(()) => {
                        backoff.reset();
                        last = Some((report, Instant::now()));
                        true
                    }
                    Err(error) => self.after(&error, "describe this machine", &mut backoff).await,
                }
            };
            if !go_on {
                return;
            }
        }
    }

    /// Keeps the assigned plugins at hand.
    async fn sync_plugins(self: Arc<Self>) {
        let mut backoff = Backoff::new(self.pace);
        loop {
            let go_on = match self.desk.sync_plugins().await {
                Ok(()) => {
                    backoff.reset();
                    self.pause(jitter(SYNC)).await
                }
                Err(error) => self.after(&error, "look up plugins", &mut backoff).await,
            };
            if !go_on {
                return;
            }
        }
    }

    /// Forgets orders that are over.
    async fn tidy(self: Arc<Self>) {
        while self.pause(jitter(TIDY)).await {
            if let Err(error) = self.desk.tidy().await {
                tracing::warn!(%error, "cannot tidy the ledger");
            }
        }
    }
}

/// Shows a proxy without its password.
fn printable_proxy(proxy: &reqwest::Url) -> String {
    let mut shown = proxy.clone();
    if shown.set_username("").and_then(|()| shown.set_password(None)).is_err() {
        return String::new();
    }
    shown.into()
}
