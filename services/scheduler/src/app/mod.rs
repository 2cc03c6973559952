//! What the scheduler can do; each file is one use case and one transaction.

mod advance;
mod answer_step;
mod ask_step;
mod call_command;
mod cancel_execution;
mod cancel_run;
mod contain_fault;
mod dispatch_run;
mod end_runs;
mod hear_word;
mod keep_playbook;
mod known_playbooks;
mod launch_run;
mod meters;
mod pass_over;
mod publish_runs;
mod record_results;
mod retain;
mod run_meters;
mod show_executions;
mod sign_action;
mod steer_run;
mod take_action;
mod tick_executions;
mod trigger_playbook;

pub(crate) use keep_playbook::Versions;
pub(crate) use show_executions::{Reported, Shown};
pub(crate) use take_action::Accepted;
pub(crate) use tick_executions::{LOOK, RENEW};
pub(crate) use trigger_playbook::{Triggered, What};

use crate::config::Config;
use crate::domain::machine::Limits;
use auth::Replica;
use messaging::Bus;
use service::{Parts, Shutdown, Tasks};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use store::Store;
use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore};
use types::Clock;
use uuid::Uuid;

/// Holds what the use cases need.
pub struct App {
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) replica: Replica,
    pub(crate) clock: Clock,
    pub(crate) tasks: Tasks,
    shutdown: Shutdown,
    pub(crate) config: Config,
    /// When this process began.
    pub(crate) started: OffsetDateTime,
    /// Is told when a run may be due, so that launching does not wait for the next sweep.
    pub(crate) due: Notify,
    /// Is told when more commands may be due to be given out.
    pub(crate) held: Notify,
    /// Is told when an execution may have something to do.
    pub(crate) steps: Notify,
    /// Is told when a word of an investigator is kept.
    pub(crate) words: Notify,
    /// Has a permit for each command that may be done besides those under way.
    idle: Arc<Semaphore>,
    /// The runs of steps whose commands are under way here.
    calling: Mutex<HashSet<Uuid>>,
    playbooks: known_playbooks::KnownPlaybooks,
    http: call_command::Http,
    meters: meters::Meters,
}

impl App {
    pub(crate) fn new(parts: Parts, config: Config) -> Self {
        let Parts { store, bus, replica, clock, tasks, shutdown, .. } = parts;
        Self {
            started: clock.now(),
            store,
            bus,
            replica,
            clock,
            tasks,
            shutdown,
            due: Notify::new(),
            held: Notify::new(),
            steps: Notify::new(),
            words: Notify::new(),
            idle: Arc::new(Semaphore::new(config.commands_at_once.into())),
            calling: Mutex::default(),
            playbooks: known_playbooks::KnownPlaybooks::default(),
            http: call_command::Http::new(&config.http_allow),
            meters: meters::Meters::new(),
            config,
        }
    }

    /// Tells whether this process is not to stop: a loop over all that is due would keep it.
    pub(crate) fn goes_on(&self) -> bool {
        !self.shutdown.is_triggered()
    }

    fn limits(&self) -> Limits {
        Limits { iterations: self.config.while_limit, steps: self.config.step_limit }
    }

    fn calling(&self) -> Vec<Uuid> {
        self.calling.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Takes note that a command is under way here.
    pub(crate) fn began(&self, step: Uuid) {
        self.calling.lock().unwrap_or_else(PoisonError::into_inner).insert(step);
    }

    fn done(&self, step: Uuid) {
        self.calling.lock().unwrap_or_else(PoisonError::into_inner).remove(&step);
    }
}
