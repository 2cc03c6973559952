//! Follows an action to its end and prints what comes back.

use crate::cli;
use crate::exit::{Exit, Failure, Kind};
use crate::http::Api;
use crate::outcome;
use crate::output::list::{Item, List};
use crate::output::progress::{Progress, done};
use crate::output::results::Shown;
use crate::output::{Format, Screen, text};
use crate::watch::Watch;
use std::collections::HashSet;
use std::rc::Rc;
use time::OffsetDateTime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use types::api::action::{ActionView, CommandView};
use types::{ActionId, Clock, CommandId};

/// How long to follow past the action's end when nothing else is said.
const PAST_THE_END: time::Duration = time::Duration::minutes(1);
/// How long results may come later than the news that the action is over: they travel apart.
const SETTLING: time::Duration = time::Duration::seconds(10);

/// Follows one action.
pub struct Follower<'a> {
    /// The server.
    pub api: &'a Api,
    /// The streams.
    pub screen: Screen,
    /// The time.
    pub clock: &'a Clock,
    /// What the user asked for.
    pub options: cli::Follow,
    /// The modules of the operations, where they are known.
    pub modules: Rc<[String]>,
}

/// Catches ctrl-C from now on: it detaches instead of ending the process.
pub fn catch_interrupts() -> Result<Signal, Failure> {
    signal(SignalKind::interrupt())
        .map_err(|error| Failure::new("cannot catch ctrl-C").why(error.to_string()))
}

impl Follower<'_> {
    /// Follows until the action is over, the time is, or the user presses ctrl-C; `known` is how the action was.
    pub async fn follow(
        &self,
        id: ActionId,
        known: Option<&ActionView>,
        interrupts: &mut Signal,
    ) -> Result<Exit, Failure> {
        let mut progress = Progress::new(self.screen);
        let ended = tokio::select! {
            ended = self.to_the_end(id, known, &mut progress) => Some(ended),
            _ = interrupts.recv() => None,
        };
        progress.finish();
        if let Some(ended) = ended {
            return Ok(self.conclude(&ended?));
        }
        self.screen.note(&format!(
            "detached: action {id} goes on\n  next: writ wait {id}, or writ cancel {id}"
        ));
        Ok(Exit::Detached)
    }

    async fn to_the_end(
        &self,
        id: ActionId,
        known: Option<&ActionView>,
        progress: &mut Progress,
    ) -> Result<ActionView, Failure> {
        let mut printed = Printed::new(self);
        let mut watch = Watch::new(self.api, id);
        let mut look = Look::new(self.options.timeout.map(|timeout| self.clock.now() + timeout));
        if let Some(action) = known {
            look.is_at(action, progress);
        }
        loop {
            let seen = self.look(&mut watch, &mut printed, &mut look, progress).await;
            let lost = seen.as_ref().err().filter(|failure| failure.kind == Kind::Passing);
            if let (Some(failure), Some(_)) = (lost, look.deadline) {
                look.is_lost(failure, progress);
            } else {
                look.lost = false;
                if let Some(action) = seen? {
                    printed.finish(progress)?;
                    return Ok(action);
                }
            }
            if look.deadline.is_some_and(|deadline| self.clock.now() >= deadline) {
                // what there is; the exit code says that it is not all
                let _ = printed.catch_up(id, true, progress).await;
                printed.finish(progress)?;
                return Err(late(id));
            }
        }
    }

    /// Looks once: shows the progress, prints what is new; gives the action once it is over and all of it is there.
    async fn look(
        &self,
        watch: &mut Watch<'_>,
        printed: &mut Printed<'_>,
        look: &mut Look,
        progress: &mut Progress,
    ) -> Result<Option<ActionView>, Failure> {
        let Some(action) = watch.next().await? else { return Ok(None) };
        look.is_at(&action, progress);
        let over = action.is_over();
        if over || self.options.output.output == Format::Jsonl && printed.is_behind(&action) {
            printed.catch_up(action.id, over, progress).await?;
        }
        if !over {
            return Ok(None);
        }
        let now = self.clock.now();
        let since = *look.over_since.get_or_insert(now);
        let settled = printed.is_complete(&action) || now - since >= SETTLING;
        Ok(settled.then_some(action))
    }

    /// Says what the counters do not and gives the exit code.
    fn conclude(&self, action: &ActionView) -> Exit {
        let (id, counters) = (action.id, action.counters);
        if let Some(reason) = &action.reason {
            self.screen.note(&format!("  why: {}", text::escape(reason)));
        }
        for (count, status, what) in [
            (counters.failed, "failed", "failed"),
            (counters.timeout, "timeout", "ran too long"),
            (counters.expired, "expired", "did not answer"),
            (counters.cancelled, "cancelled", "were withdrawn before they answered"),
        ] {
            if count > 0 {
                let targeted = counters.targeted;
                self.screen.note(&format!(
                    "{count} of {targeted} agents {what}\n  next: writ results {id} --status {status}"
                ));
            }
        }
        outcome::of(action)
    }
}

fn late(id: ActionId) -> Failure {
    Failure::new(format!("action {id} was not over in time; it goes on"))
        .exit(Exit::Timeout)
        .next(format!("writ wait {id}, or writ cancel {id}"))
}

/// Remembers what there is to know from one look to the next.
struct Look {
    deadline: Option<OffsetDateTime>,
    over_since: Option<OffsetDateTime>,
    lost: bool,
}

impl Look {
    fn new(deadline: Option<OffsetDateTime>) -> Self {
        Self { deadline, over_since: None, lost: false }
    }

    fn is_at(&mut self, action: &ActionView, progress: &mut Progress) {
        self.deadline.get_or_insert(action.expire_after + PAST_THE_END);
        progress.update(action);
    }

    /// Says once that the server is away.
    fn is_lost(&mut self, failure: &Failure, progress: &Progress) {
        if !self.lost {
            progress.note(&format!("{}; trying again", text::escape(&failure.what)));
        }
        self.lost = true;
    }
}

/// Prints each command once.
struct Printed<'a> {
    follower: &'a Follower<'a>,
    list: List<Shown>,
    ids: HashSet<CommandId>,
    /// Where the first page begins that still had open commands; pages before it are not read again until the end.
    from: Option<String>,
    /// How many commands the last whole reading found, and how many of them open.
    found: (usize, usize),
}

impl<'a> Printed<'a> {
    fn new(follower: &'a Follower<'a>) -> Self {
        let list = List::new(follower.options.output.output, follower.screen);
        Self { follower, list, ids: HashSet::new(), from: None, found: (0, 0) }
    }

    /// Reads the commands page by page and prints those that ended since.
    async fn catch_up(
        &mut self,
        id: ActionId,
        whole: bool,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let id = id.to_string();
        let path = ["v1", "actions", &id, "commands"];
        let mut cursor = if whole { None } else { self.from.clone() };
        let mut all_ended = true;
        self.found = (0, 0);
        loop {
            let page = self.follower.api.page::<CommandView>(&path, &[], cursor.as_deref()).await?;
            let open = page.items.iter().filter(|item| is_open(&item.value)).count();
            self.found = (self.found.0 + page.items.len(), self.found.1 + open);
            for item in page.items {
                self.print(item, progress)?;
            }
            all_ended &= open == 0;
            match page.next {
                None => return Ok(()),
                Some(next) => cursor = Some(next),
            }
            if all_ended {
                self.from.clone_from(&cursor);
            }
        }
    }

    fn print(&mut self, item: Item<CommandView>, progress: &Progress) -> Result<(), Failure> {
        if is_open(&item.value) || !self.ids.insert(item.value.id) {
            return Ok(());
        }
        let modules = Rc::clone(&self.follower.modules);
        let shown = Shown { command: item.value, show: self.follower.options.show, modules };
        if !shown.is_wanted() {
            return Ok(());
        }
        progress.aside(|| self.list.push(&item.raw, &shown))
    }

    /// Tells whether more commands ended than were read.
    fn is_behind(&self, action: &ActionView) -> bool {
        usize::try_from(done(action)).is_ok_and(|done| done > self.ids.len())
    }

    /// Tells whether every command of an action that is over was read with its end.
    fn is_complete(&self, action: &ActionView) -> bool {
        let (found, open) = self.found;
        let expected = usize::try_from(action.counters.targeted).unwrap_or(0);
        let none_expected = expected == 0 && action.status != "completed";
        open == 0 && found >= expected && (expected > 0 || none_expected)
    }

    fn finish(self, progress: &Progress) -> Result<(), Failure> {
        progress.aside(|| self.list.finish())
    }
}

fn is_open(command: &CommandView) -> bool {
    matches!(command.status.as_str(), "waiting" | "delivered" | "sent")
}
