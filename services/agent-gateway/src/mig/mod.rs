//! The dialect of MIG's agents over AMQP: the topology of the originals, in a virtual host of their own
//! (specs/mig/scheduler-agent.md §1, §2).
//!
//! | file | holds |
//! |---|---|
//! | `desk` | heartbeats of HTTP callers, taken in together; who is heard at all |
//! | `topology` | the exchanges and queues |
//! | `listener` | heartbeats and results on their way in |
//! | `ahead` | what of them is in memory |
//! | `sender` | commands on their way out |
//! | `sweeper` | the queues of agents that are gone |
//! | `meters` | what is counted |

mod ahead;
mod desk;
mod listener;
mod meters;
pub(crate) mod sender;
mod sweeper;
mod topology;

use desk::{Ask, Desk};
pub(crate) use desk::{Heard, Space};
use listener::{Listener, Stream};
use meters::Meters;

use crate::AgentGateway;
use crate::app::App;
use crate::config::Config;
use messaging::link::Link;
use service::{Service, Shutdown, Tasks, watch_certificates};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// How long the start waits until the exchanges are there: agents that start before them end.
const FIRST: Duration = Duration::from_secs(10);

/// Is the way to MIG's agents.
pub(crate) struct Mig {
    desk: Desk,
    bell: Notify,
    declared: Notify,
    meters: Meters,
    /// Whether heartbeats over AMQP come in; at first nothing was lost yet.
    hears: AtomicBool,
    /// How often the queues were attached to.
    attached: AtomicU64,
}

impl Mig {
    /// Makes it; nothing is connected yet.
    pub(crate) fn new(config: &Config) -> (Self, mpsc::Receiver<Ask>) {
        let (desk, asked) = Desk::new(config.mig_whitelist.clone());
        let (bell, declared, meters) = (Notify::new(), Notify::new(), Meters::new());
        let (hears, attached) = (AtomicBool::new(true), AtomicU64::new(0));
        (Self { desk, bell, declared, meters, hears, attached }, asked)
    }

    /// Tells whether heartbeats over AMQP come in.
    pub(crate) fn hears(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
    }

    /// Counts how often the queues of heartbeats and answers were attached to.
    pub(crate) fn count_attached(&self) -> u64 {
        self.attached.load(Ordering::Relaxed)
    }

    fn note_listening(&self, stream: Stream, listens: bool) {
        if stream == Stream::Heartbeats {
            self.hears.store(listens, Ordering::Relaxed);
        }
        self.attached.fetch_add(u64::from(listens), Ordering::Relaxed);
    }

    /// Tells the sender that there are commands.
    pub(crate) fn wake(&self) {
        self.bell.notify_one();
    }

    /// Counts commands that the broker took, and those that it has no queue for.
    pub(crate) fn count_pushed(&self, taken: usize, waiting: usize) {
        self.meters.pushed(taken, waiting);
    }

    /// Counts agents that were found to be there twice.
    pub(crate) fn count_conflicts(&self, count: usize) {
        self.meters.conflicts(count);
    }
}

/// Starts what speaks with MIG's agents; returns when the exchanges are there, or after a while without.
pub(crate) async fn run(
    app: &Arc<App>,
    asked: mpsc::Receiver<Ask>,
    tasks: &Tasks,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    tasks.spawn("mig-desk", desk::serve(Arc::clone(app), asked, shutdown.clone()));
    let Some(settings) = app.config.mig_broker()? else { return Ok(()) };
    let files = settings.certificate_files()?;
    watch_certificates(AgentGateway::NAME, "mig-broker", files, tasks, shutdown.clone());
    // connections of their own: a broker that holds up publishers must not hold up acknowledgements
    let link = |name: &str| Link::new(name.into(), &settings);
    let listening = Arc::new(link("mig listening")?);
    let sending = Arc::new(link("mig sending")?.with_small_frames());
    // who sends closes its connection when it ends, or when the broker says nothing: nobody else is on it
    let sweeping = Arc::new(link("mig sweeping")?.with_small_frames());
    for stream in [Stream::Heartbeats, Stream::Results] {
        let (app, link) = (Arc::clone(app), Arc::clone(&listening));
        let (tasks, shutdown) = (tasks.clone(), shutdown.clone());
        let listener = Listener { app, link, stream, tasks: tasks.clone(), shutdown };
        tasks.spawn(stream.queue(), listener.listen());
    }
    tasks.spawn("mig-commands", sender::run(Arc::clone(app), sending, shutdown.clone()));
    tasks.spawn("mig-queues", sweeper::run(Arc::clone(app), sweeping, shutdown.clone()));
    if tokio::time::timeout(FIRST, app.mig.declared.notified()).await.is_err() {
        tracing::warn!("the exchanges of MIG's agents are not there yet; still trying");
    }
    Ok(())
}
