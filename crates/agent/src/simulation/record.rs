//! What happened, and what may never happen.

use super::dialect::{Given, Verdict};
use super::rounded;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use types::{ActionId, Clock, CommandStatus, RunId};

/// Two failures so close together are of one bad time.
const BAD_TIME: Duration = Duration::from_secs(10);
/// How many violations are told in words.
const TOLD: usize = 20;

/// Remembers the fleet's life.
#[derive(Debug, Default)]
pub(super) struct Record(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    runs: HashMap<RunId, Run>,
    /// The answers that the server has, or ought to have.
    told: HashMap<RunId, Told>,
    /// By action and agent, where the language tells the action.
    of_action: HashMap<(ActionId, u32), RunId>,
    /// The answers that were sent, and of which nobody knows whether they arrived.
    unsure: HashMap<RunId, Told>,
    /// How each agent fared.
    lives: HashMap<u32, Life>,
    /// When the agents began to work.
    began: Option<OffsetDateTime>,
    /// When they were told to stop.
    stopped: Option<OffsetDateTime>,
    /// How late an agent came to its turn at most.
    latest_turn: Duration,
    /// A run that some other agent was given, for liars.
    latest: Option<(RunId, u32)>,
    counts: Counts,
    waits: HashMap<&'static str, Vec<Duration>>,
    violations: Vec<String>,
    violated: usize,
    last_error: Option<String>,
}

#[derive(Debug)]
struct Run {
    agent: u32,
    action: Option<ActionId>,
    accepted: bool,
    /// Until when it is this agent's.
    until: Option<OffsetDateTime>,
}

/// Is an answer that an agent gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    /// The agent.
    pub(super) agent: u32,
    /// The action, where the language tells.
    pub(super) action: Option<ActionId>,
    /// How it ended.
    pub(super) status: CommandStatus,
    /// How many results it has.
    pub(super) operations: usize,
    /// When it was with the server.
    pub(super) at: OffsetDateTime,
    /// Whether the server said that it keeps it.
    pub(super) sure: bool,
}

/// Says how an agent fared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Life {
    /// How often the server heard it.
    pub(super) heard: u32,
    /// When it did last.
    pub(super) last_heard: Option<OffsetDateTime>,
    /// When calls failed, from the first to the last of each bad time.
    pub(super) bad_times: Vec<[OffsetDateTime; 2]>,
    /// How often it described its machine anew.
    pub(super) described: u32,
}

/// Is what there is to compare the server's word with.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// The answers that the server has, or ought to have.
    pub(super) told: HashMap<RunId, Told>,
    /// The answers that it may have.
    pub(super) unsure: HashMap<RunId, Told>,
    /// How each agent fared.
    pub(super) lives: HashMap<u32, Life>,
    /// When the agents began to work.
    pub(super) began: OffsetDateTime,
    /// When they were told to stop.
    pub(super) stopped: OffsetDateTime,
    /// How late an agent came to its turn at most.
    pub(super) latest_turn: Duration,
}

/// Counts what the fleet did.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    polls: u64,
    given: u64,
    given_again: u64,
    answers: u64,
    accepted: u64,
    untold: u64,
    lies: u64,
    duplicates: u64,
    refused: u64,
    crashed: u64,
    errors: u64,
}

impl Told {
    fn now(agent: u32, given: Given, status: CommandStatus, sure: bool) -> Self {
        let Given { action, operations, .. } = given;
        Self { agent, action, status, operations, at: Clock::system().now(), sure }
    }
}

/// Says what an agent may expect of an answer that it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    /// It was asked.
    Asked,
    /// It was never asked.
    Lie,
}

impl Record {
    /// Notes that the agents begin to work.
    pub(super) fn begin(&self) {
        self.lock().began = Some(Clock::system().now());
    }

    /// Notes that the agents were told to stop.
    pub(super) fn stop(&self) {
        self.lock().stopped = Some(Clock::system().now());
    }

    /// Notes a poll and what it brought; `once` says that this may not come again.
    pub(super) fn polled(&self, agent: u32, given: &[Given], began: Instant, once: bool) {
        let mut inner = self.lock();
        inner.counts.polls += 1;
        inner.wait("poll", began.elapsed());
        let life = inner.lives.entry(agent).or_default();
        life.heard += 1;
        life.last_heard = Some(Clock::system().now());
        for work in given {
            inner.give(agent, work, once);
        }
    }

    /// Notes that an agent described its machine anew.
    pub(super) fn described(&self, agent: u32) {
        self.lock().lives.entry(agent).or_default().described += 1;
    }

    /// Notes that an answer goes out: from now on the server may have it.
    pub(super) fn sending(&self, agent: u32, given: Given, status: CommandStatus) {
        let told = Told::now(agent, given, status, false);
        self.lock().unsure.entry(given.run).or_insert(told);
    }

    /// Notes work that came by itself; `once` says that it may not come again, as nothing was killed meanwhile.
    pub(super) fn given(&self, agent: u32, work: &Given, once: bool) {
        self.lock().give(agent, work, once);
    }

    /// Notes what the server made of an answer.
    pub(super) fn answered(
        &self,
        agent: u32,
        given: Given,
        status: CommandStatus,
        truth: Truth,
        verdict: Verdict,
    ) {
        let run = given.run;
        let mut inner = self.lock();
        inner.counts.answers += 1;
        match verdict {
            Verdict::Accepted => inner.counts.accepted += 1,
            Verdict::Duplicate => inner.counts.duplicates += 1,
            Verdict::Refused => inner.counts.refused += 1,
            Verdict::Untold => inner.counts.untold += 1,
        }
        let told = |sure| Told::now(agent, given, status, sure);
        if truth == Truth::Asked {
            inner.unsure.remove(&run);
        }
        inner.counts.lies += u64::from(truth == Truth::Lie);
        match (truth, verdict) {
            // what is never told is seen in the end
            (Truth::Lie, Verdict::Refused | Verdict::Untold) => {}
            (Truth::Lie, _) => inner.violate(format!("agent {agent}: a lie about {run} was taken")),
            (Truth::Asked, Verdict::Accepted) => inner.accept(run, told(true)),
            (Truth::Asked, Verdict::Untold) => inner.tell(run, told(false)),
            (Truth::Asked, Verdict::Duplicate) => {
                if inner.runs.get(&run).is_none_or(|run| !run.accepted) {
                    inner.violate(format!(
                        "agent {agent}: the first answer to {run} is a duplicate"
                    ));
                }
            }
            (Truth::Asked, Verdict::Refused) => {
                inner.violate(format!("agent {agent}: the answer to {run} was refused"));
            }
        }
    }

    /// Notes how long answering took.
    pub(super) fn sent(&self, began: Instant) {
        self.lock().wait("answer", began.elapsed());
    }

    /// Notes how much later than planned an agent came to its turn.
    pub(super) fn late(&self, by: Duration) {
        let mut inner = self.lock();
        inner.wait("late", by);
        inner.latest_turn = inner.latest_turn.max(by);
    }

    /// Notes a call that failed; such calls are tried again, so they violate nothing.
    pub(super) fn failed(&self, agent: u32, error: &anyhow::Error) {
        let now = Clock::system().now();
        let mut inner = self.lock();
        inner.counts.errors += 1;
        inner.last_error = Some(format!("{error:#}"));
        let bad_times = &mut inner.lives.entry(agent).or_default().bad_times;
        match bad_times.last_mut() {
            Some([_, last]) if now - *last < BAD_TIME => *last = now,
            _ => bad_times.push([now; 2]),
        }
    }

    /// Notes that an agent died with its work.
    pub(super) fn crashed(&self) {
        self.lock().counts.crashed += 1;
    }

    /// Notes what may never happen.
    pub(super) fn violate(&self, what: String) {
        self.lock().violate(what);
    }

    /// Gives a run that another agent was given.
    pub(super) fn run_of_another(&self, agent: u32) -> Option<RunId> {
        self.lock().latest.filter(|(_, owner)| *owner != agent).map(|(run, _)| run)
    }

    /// Gives what there is to compare the server's word with.
    pub(super) fn history(&self) -> History {
        let inner = self.lock();
        let now = Clock::system().now();
        History {
            told: inner.told.clone(),
            unsure: inner.unsure.clone(),
            lives: inner.lives.clone(),
            began: inner.began.unwrap_or(now),
            stopped: inner.stopped.unwrap_or(now),
            latest_turn: inner.latest_turn,
        }
    }

    /// Tells whether nothing happened that may not happen.
    pub(super) fn is_sound(&self) -> bool {
        self.lock().violated == 0
    }

    /// Tells all of it.
    pub(super) fn report(&self, seconds: f64) -> Value {
        let mut inner = self.lock();
        let counts = inner.counts;
        let polls = f64::from(u32::try_from(counts.polls).unwrap_or(u32::MAX));
        let mut waits = serde_json::Map::new();
        for (what, times) in &mut inner.waits {
            times.sort_unstable();
            let at = |part: usize| {
                let place = times.len().saturating_sub(1) * part / 100;
                times.get(place).map(|time| rounded(time.as_secs_f64() * 1000.0))
            };
            let quantiles = json!({"p50_ms": at(50), "p99_ms": at(99), "max_ms": at(100)});
            waits.insert((*what).into(), quantiles);
        }
        json!({
            "seconds": rounded(seconds),
            "polls": counts.polls,
            "polls_per_second": rounded(polls / seconds.max(0.001)),
            "given": counts.given,
            "given_again": counts.given_again,
            "answers": counts.answers,
            "accepted": counts.accepted,
            "untold": counts.untold,
            "answered": inner.told.len(),
            "lies": counts.lies,
            "duplicates": counts.duplicates,
            "refused": counts.refused,
            "crashed": counts.crashed,
            "described": inner.lives.values().map(|life| u64::from(life.described)).sum::<u64>(),
            "errors": counts.errors,
            "last_error": inner.last_error,
            "times": waits,
            "violations": inner.violated,
            "violated": inner.violations,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn give(&mut self, agent: u32, work: &Given, once: bool) {
        self.counts.given += 1;
        let before = self.runs.len();
        let run = Run { agent, action: work.action, accepted: false, until: None };
        let known = self.runs.entry(work.run).or_insert(run);
        let (owner, action, accepted) = (known.agent, known.action, known.accepted);
        let until = std::mem::replace(&mut known.until, work.until);
        if owner != agent || action != work.action {
            self.violate(format!("{} was given to agents {owner} and {agent}", work.run));
        }
        if work.lacking {
            self.violate(format!("agent {agent}: was given {}, and lacks its module", work.run));
        }
        if accepted || (once && self.told.contains_key(&work.run)) {
            self.violate(format!("agent {agent}: {} was given after its answer", work.run));
        }
        if until.is_some_and(|until| Clock::system().now() < until) {
            self.violate(format!("agent {agent}: {} was given again within its lease", work.run));
        }
        let again = self.runs.len() == before;
        self.counts.given_again += u64::from(again);
        if again && once {
            self.violate(format!("agent {agent}: {} was given twice", work.run));
        }
        self.latest = Some((work.run, agent));
    }

    fn accept(&mut self, run: RunId, told: Told) {
        let twice = match self.runs.get_mut(&run) {
            Some(known) => std::mem::replace(&mut known.accepted, true),
            None => false,
        };
        if twice {
            self.violate(format!("agent {}: {run} was accepted twice", told.agent));
        }
        self.tell(run, told);
    }

    fn tell(&mut self, run: RunId, told: Told) {
        self.told.entry(run).or_insert(told);
        let Some(action) = told.action else { return };
        let known = self.of_action.entry((action, told.agent)).or_insert(run);
        if *known != run {
            self.violate(format!("agent {}: action {action} was two commands", told.agent));
        }
    }

    fn wait(&mut self, what: &'static str, time: Duration) {
        let times = self.waits.entry(what).or_default();
        // enough for the quantiles of any run that fits into memory
        if times.len() < 4_000_000 {
            times.push(time);
        }
    }

    fn violate(&mut self, what: String) {
        self.violated += 1;
        if self.violations.len() < TOLD {
            self.violations.push(what);
        }
    }
}

#[cfg(test)]
mod tests;
