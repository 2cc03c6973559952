//! Watches an action for a caller: tells its state now, and again whenever the scheduler says that its run changed.
//!
//! Each process hears of every change by a queue of its own ([`Watchers::tell`]) and then reads how the action is, so
//! that any process can serve any caller and a caller reads the same as from `GET /v1/actions/{id}`. An event carries
//! the whole state: who reads slowly skips to the newest one.

use super::App;
use crate::error::Error;
use crate::store::actions::actions_find;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use types::api::action::ActionView;
use types::{ActionId, InvestigatorId, InvestigatorStatus, Permission, Permissions};

/// Says how many callers of one process may watch at a time.
const MOST_WATCHERS: usize = 512;
/// Says how many of them may be the same investigator.
const MOST_OF_ONE: usize = 32;
/// How often it is checked that the caller may still watch; one who may not is gone after no longer.
const CHECK: Duration = Duration::from_millis(500);
/// How soon a change that was told of and is not here yet is looked for again, and one that is not settled.
const SOON: Duration = Duration::from_millis(100);
/// How often a caller is told that the line stands, and the action is read though nothing was told of it. That a caller
/// is gone shows at the second write to it.
const BEAT: Duration = Duration::from_secs(5);
/// How long a caller may take to read an event.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one stream lasts; the caller comes again with the id of the last event it got.
const LONGEST: Duration = Duration::from_mins(15);

/// Is what a watching caller is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// How the action is.
    State {
        /// The version of its run; absent while answers are still on their way that this version speaks of.
        version: Option<i64>,
        /// The state.
        action: Box<ActionView>,
    },
    /// The action is over, with this status; no event follows.
    End(String),
    /// The line stands.
    Beat,
}

/// Says why a caller cannot watch.
#[derive(Debug)]
pub(crate) enum WatchError {
    /// Too many watch: of all callers, or of this one.
    Full,
    /// The caller may not watch any more.
    Gone,
    /// The action cannot be read.
    Failed(Error),
}

/// Is what a caller gets.
#[derive(Debug)]
pub(crate) enum Watched {
    /// The events as they come.
    Stream(mpsc::Receiver<Event>),
    /// The caller knows the end already.
    Over,
}

/// Knows which actions callers of this process watch.
#[derive(Debug)]
pub(crate) struct Watchers {
    /// The highest version that was told, of each action that is watched.
    told: Mutex<BTreeMap<ActionId, watch::Sender<i64>>>,
    all: Arc<Semaphore>,
    by_caller: Mutex<BTreeMap<InvestigatorId, Arc<Semaphore>>>,
}

impl Default for Watchers {
    fn default() -> Self {
        let all = Arc::new(Semaphore::new(MOST_WATCHERS));
        Self { told: Mutex::default(), all, by_caller: Mutex::default() }
    }
}

impl Watchers {
    /// Tells those who watch `id` that its run has this version.
    pub(crate) fn tell(&self, id: ActionId, version: i64) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = told.get(&id) {
            sender.send_if_modified(|known| {
                let newer = version > *known;
                *known = version.max(*known);
                newer
            });
        }
    }

    /// Has everyone who watches look.
    pub(crate) fn tell_all(&self) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        for sender in told.values() {
            sender.send_modify(|_| {});
        }
    }

    fn subscribe(&self, id: ActionId) -> watch::Receiver<i64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, sender| sender.receiver_count() > 0);
        told.entry(id).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    fn admit(&self, caller: InvestigatorId) -> Option<[OwnedSemaphorePermit; 2]> {
        let mut by_caller = self.by_caller.lock().unwrap_or_else(PoisonError::into_inner);
        by_caller.retain(|_, places| places.available_permits() < MOST_OF_ONE);
        let places = by_caller.entry(caller);
        let places = places.or_insert_with(|| Arc::new(Semaphore::new(MOST_OF_ONE)));
        let own = Arc::clone(places).try_acquire_owned().ok()?;
        Some([Arc::clone(&self.all).try_acquire_owned().ok()?, own])
    }
}

impl App {
    /// Begins to watch an action; `after` is the version that the caller knows already.
    pub(crate) async fn watch_action(
        self: &Arc<Self>,
        id: ActionId,
        caller: InvestigatorId,
        after: Option<i64>,
    ) -> Result<Watched, WatchError> {
        let admitted = self.watchers.admit(caller).ok_or(WatchError::Full)?;
        let right = self.right_to_watch(caller).ok_or(WatchError::Gone)?;
        // before the first look, so that no change falls between
        let told = self.watchers.subscribe(id);
        let seen = self.look_at(id).await.map_err(WatchError::Failed)?;
        // a version that is not here yet was never given out: the caller knows nothing
        let after = after.filter(|after| *after <= seen.version);
        if seen.settled && seen.action.is_over() && after == Some(seen.version) {
            return Ok(Watched::Over);
        }
        let (sender, events) = mpsc::channel(2);
        let watcher = Watcher { id, caller, right, told, sender, sent: after, shown: after };
        let app = Arc::clone(self);
        self.tasks.spawn("action_events", async move {
            let _admitted = admitted;
            tokio::select! {
                () = app.shutdown.wait() => {}
                _ = timeout(LONGEST, watcher.run(&app, seen)) => {}
            }
        });
        Ok(Watched::Stream(events))
    }

    /// Gives the version of an investigator who may watch. Whatever changes of them ends their streams: they come again
    /// and prove who they are, also when only their API key was replaced.
    fn right_to_watch(&self, caller: InvestigatorId) -> Option<i64> {
        let keyring = self.replica.current();
        let state = keyring.get(caller)?;
        let may = state.status == InvestigatorStatus::Active
            && Permissions(state.permissions).has(Permission::Action);
        may.then_some(state.version)
    }

    async fn look_at(&self, id: ActionId) -> Result<Seen, Error> {
        let mut conn = self.store.get().await?;
        let rows = actions_find(&mut conn, &[id.0]).await?;
        let told = rows.first().map(|row| (row.run_version, row.status.clone()));
        let action = self.views(&mut conn, rows).await?.pop();
        match told.zip(action) {
            Some(((version, status), action)) => {
                Ok(Seen { version, settled: action.status == status, action })
            }
            None => Err(Error::NotFound(format!("action {id}"))),
        }
    }
}

/// Is an action at one look.
struct Seen {
    version: i64,
    /// Whether all answers are here that this version speaks of.
    settled: bool,
    action: ActionView,
}

/// Serves one caller.
struct Watcher {
    id: ActionId,
    caller: InvestigatorId,
    right: i64,
    told: watch::Receiver<i64>,
    sender: mpsc::Sender<Event>,
    /// The version the caller has.
    sent: Option<i64>,
    /// The version the caller has, or has seen when it was not settled.
    shown: Option<i64>,
}

impl Watcher {
    /// Serves until the action is over, or the caller is gone, too slow, or may not watch any more.
    async fn run(mut self, app: &App, mut seen: Seen) -> Option<()> {
        loop {
            let over = self.show(&seen).await?;
            if over {
                return self.send(Event::End(seen.action.status)).await;
            }
            let soon = !seen.settled || *self.told.borrow() > seen.version;
            self.wait(app, if soon { SOON } else { BEAT }).await?;
            match app.look_at(self.id).await {
                Ok(now) => seen = now,
                Err(error) => tracing::debug!(%error, action.id = %self.id, "not read; once more"),
            }
        }
    }

    /// Tells the state if the caller does not have it; says whether nothing more will follow.
    async fn show(&mut self, seen: &Seen) -> Option<bool> {
        let known = if seen.settled { self.sent } else { self.shown };
        if known.is_none_or(|known| seen.version > known) {
            let version = seen.settled.then_some(seen.version);
            self.send(Event::State { version, action: Box::new(seen.action.clone()) }).await?;
            self.sent = version.or(self.sent);
            self.shown = Some(seen.version);
        }
        Some(seen.settled && seen.action.is_over())
    }

    /// Waits until there may be something new, `at_most` so long.
    async fn wait(&mut self, app: &App, at_most: Duration) -> Option<()> {
        let until = Instant::now() + at_most;
        loop {
            if app.right_to_watch(self.caller) != Some(self.right) {
                return None;
            }
            let check = until.min(Instant::now() + CHECK);
            tokio::select! {
                () = self.sender.closed() => return None,
                told = timeout_at(check, self.told.changed()) => match told {
                    Ok(changed) => return changed.ok(),
                    Err(_) if Instant::now() < until => {}
                    Err(_) if at_most < BEAT => return Some(()),
                    Err(_) => return self.send(Event::Beat).await,
                }
            }
        }
    }

    async fn send(&self, event: Event) -> Option<()> {
        self.sender.send_timeout(event, PATIENCE).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_few_and_come_back() {
        let watchers = Watchers::default();
        let (one, other) = (InvestigatorId(1), InvestigatorId(2));
        let mut held: Vec<_> = (0..MOST_OF_ONE).map(|_| watchers.admit(one).unwrap()).collect();
        assert!(watchers.admit(one).is_none());
        held.pop();
        held.push(watchers.admit(one).unwrap());
        for caller in 2.. {
            let Some(place) = watchers.admit(InvestigatorId(caller % 1000)) else { break };
            held.push(place);
        }
        assert_eq!(held.len(), MOST_WATCHERS);
        held.clear();
        assert!(watchers.admit(other).is_some());
        assert_eq!(watchers.by_caller.lock().unwrap().len(), 1);
    }

    #[test]
    fn only_newer_versions_are_told_and_only_to_those_who_watch() {
        let watchers = Watchers::default();
        let mut told = watchers.subscribe(ActionId(1));
        watchers.tell(ActionId(2), 5);
        assert!(!told.has_changed().unwrap());
        watchers.tell(ActionId(1), 5);
        assert_eq!(*told.borrow_and_update(), 5);
        watchers.tell(ActionId(1), 4);
        assert!(!told.has_changed().unwrap());
        watchers.tell_all();
        assert!(told.has_changed().unwrap());
        drop(told);
        drop(watchers.subscribe(ActionId(3)));
        assert_eq!(watchers.told.lock().unwrap().len(), 1);
    }
}
