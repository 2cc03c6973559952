//! The agents at work: each has its turns, and what it does in them is its nature.
//!
//! Long because every nature acts in the same turns, which are read from top to bottom.

use super::config::Cli;
use super::dialect::{Answer, Dialect, Door, Given, Newcomer, Verdict};
use super::nature::{Nature, dice, ending};
use super::record::{Record, Truth};
use super::{config::Parts, say};
use rand::Rng;
use rand::rngs::StdRng;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::unbounded_channel;
use tokio::sync::watch;
use tokio::task::JoinSet;
use types::{CommandStatus, OperationResult, RunId};
use uuid::Uuid;

/// How many agents enrol at a time.
const ENROLLING: u32 = 32;
/// How often an agent tries to enrol.
const ATTEMPTS: u32 = 5;
/// How long a slow agent takes at most, and a crashed one stays away.
pub(super) const SLOW: Duration = Duration::from_secs(5);
/// How often one describes its machine anew that does so; MIG begins a new row when it is more than 15 seconds.
const DESCRIBING: Duration = Duration::from_secs(20);
/// How often a crashing agent breaks off what it asks or sends.
const BREAKING_OFF: f64 = 0.2;
/// How soon it does.
const BROKEN_OFF: Duration = Duration::from_millis(20);
/// How long an agent waits until it tries again what did not work.
const AGAIN: Duration = Duration::from_secs(1);

/// Is a fleet that the server knows.
pub(super) struct Fleet<D: Dialect> {
    worker: Arc<Worker<D>>,
    agents: Vec<Agent<D::Identity>>,
    slots: usize,
}

struct Agent<I> {
    number: u32,
    nature: Nature,
    identity: I,
    /// How often its dice were thrown for work.
    throws: AtomicU64,
    /// How often for what it asks or sends.
    calls: AtomicU64,
    described: Mutex<Instant>,
}

impl<I> Agent<I> {
    fn new(number: u32, nature: Nature, identity: I) -> Self {
        let described = Mutex::new(Instant::now());
        let (throws, calls) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { number, nature, identity, throws, calls, described }
    }

    /// Gives its dice for its next work: the same seed, the same throws, whatever the server names the work.
    fn dice(&self, seed: u64) -> StdRng {
        let throw = self.throws.fetch_add(1, Ordering::Relaxed);
        dice(self.number, seed, THROWS + throw)
    }
}

/// The purposes of dice that have no meaning but their order begin here: for work, and for calls.
const THROWS: u64 = 1 << 32;
const CALLS: u64 = 1 << 33;

struct Worker<D> {
    halted: watch::Receiver<bool>,
    dialect: Arc<D>,
    record: Arc<Record>,
    seed: u64,
    every: Duration,
    wait: Duration,
    bytes: usize,
    parts: Parts,
    once: bool,
}

/// Says what an agent does at its turn.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Poll,
    Answer(Given, Doubt),
}

/// Says whether an answer may have arrived before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// It has not.
    None,
    /// It was sent, and nobody said what became of it.
    Sent,
    /// It has: nothing sent after that can be the first to arrive.
    Settled,
}

impl Doubt {
    /// Gives what is to be thought of an answer that was sent once more, without a word.
    fn unheard(self) -> Self {
        if self == Self::Settled { Self::Settled } else { Self::Sent }
    }
}

/// Gives the name of an agent.
pub(super) fn name(label: &str, number: u32) -> String {
    format!("{label}-{number}")
}

impl<D: Dialect> Fleet<D> {
    /// Makes all agents known to the server, some at a time.
    pub(super) async fn enrol(
        dialect: Arc<D>,
        cli: &Cli,
        record: Arc<Record>,
        halted: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let next = Arc::new(AtomicU32::new(1));
        let mut tasks = JoinSet::new();
        for _ in 0..ENROLLING.min(cli.agents) {
            let (dialect, next) = (Arc::clone(&dialect), Arc::clone(&next));
            let (seed, parts, label, last) = (cli.seed, cli.parts, cli.label.clone(), cli.agents);
            tasks.spawn(async move {
                let mut agents = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > last {
                        return Ok::<_, anyhow::Error>(agents);
                    }
                    let nature = Nature::of(number, seed, &parts);
                    let newcomer = Newcomer { number, name: &name(&label, number), nature };
                    let identity = patiently(&*dialect, newcomer).await?;
                    agents.push(Agent::new(number, nature, identity));
                    if number.is_multiple_of(5_000) {
                        say(&format!("{number} of {last} agents are enrolled"));
                    }
                }
            });
        }
        let mut agents = Vec::new();
        while let Some(done) = tasks.join_next().await {
            agents.extend(done??);
        }
        agents.sort_by_key(|agent| agent.number);
        let slots = if cli.wait > 0 { cli.agents } else { cli.connections.min(cli.agents) };
        let worker = Worker {
            halted,
            dialect,
            record,
            seed: cli.seed,
            every: Duration::from_secs_f64(cli.every),
            wait: Duration::from_secs(cli.wait),
            bytes: usize::try_from(cli.result_bytes)?,
            parts: cli.parts,
            once: !cli.kills,
        };
        Ok(Self { worker: Arc::new(worker), agents, slots: usize::try_from(slots)? })
    }

    /// Lets them work until they are halted; then none takes a turn, and what they send is sent to its end.
    pub(super) async fn work(self) {
        let (mut halted, record) = (self.worker.halted.clone(), Arc::clone(&self.worker.record));
        record.begin();
        let mut shares: Vec<Vec<Agent<D::Identity>>> = Vec::new();
        shares.resize_with(self.slots, Vec::new);
        let present = self.agents.into_iter().filter(|agent| agent.nature != Nature::Offline);
        for (at, agent) in present.enumerate() {
            if let Some(share) = shares.get_mut(at % self.slots) {
                share.push(agent);
            }
        }
        let mut tasks = JoinSet::new();
        for share in shares.into_iter().filter(|share| !share.is_empty()) {
            let worker = Arc::clone(&self.worker);
            tasks.spawn(async move { worker.work(share).await });
        }
        while let Some(ended) = tasks.join_next().await {
            if let Err(error) = ended {
                record.violate(format!("agents ended by themselves: {error}"));
            }
        }
        // all may be silent ones; an end of the other side is one too
        let _halted = halted.wait_for(|halted| *halted).await;
    }
}

/// Enrols an agent; a server that is busy is asked again.
async fn patiently<D: Dialect>(dialect: &D, newcomer: Newcomer<'_>) -> anyhow::Result<D::Identity> {
    let mut tries = 0;
    loop {
        tries += 1;
        match dialect.enrol(newcomer).await {
            Ok(identity) => return Ok(identity),
            Err(error) if tries >= ATTEMPTS => {
                return Err(error.context(format!("agent {}", newcomer.name)));
            }
            Err(_) => tokio::time::sleep(AGAIN * tries).await,
        }
    }
}

impl<D: Dialect> Worker<D> {
    /// Gives each agent of a share its turns, one after the other.
    async fn work(&self, agents: Vec<Agent<D::Identity>>) {
        let start = Instant::now();
        let mut turns = BinaryHeap::new();
        let mut order = 0_u64;
        for (at, agent) in agents.iter().enumerate() {
            let part: f64 = dice(agent.number, self.seed, u64::MAX).random();
            let first = if self.wait.is_zero() { self.every } else { Duration::from_secs(1) };
            turns.push(Reverse((start + first.mul_f64(part), order, at, Planned(Turn::Poll))));
            order += 1;
        }
        let (to, mut brought) = unbounded_channel();
        for (at, agent) in agents.iter().enumerate() {
            self.dialect.expect(&agent.identity, Door { to: to.clone(), at });
        }
        let mut halted = self.halted.clone();
        while let Some(Reverse((due, ..))) = turns.peek() {
            let due = *due;
            let work = tokio::select! {
                biased;
                _ = halted.wait_for(|halted| *halted) => return,
                work = brought.recv() => work,
                () = tokio::time::sleep_until(due.into()) => None,
            };
            let (at, planned) = if let Some((at, given)) = work {
                let Some(agent) = agents.get(at) else { continue };
                self.record.given(agent.number, &given, self.once);
                (at, self.take(agent, vec![given], Instant::now()).unwrap_or_default())
            } else {
                let Some(Reverse((_, _, at, Planned(turn)))) = turns.pop() else { continue };
                let Some(agent) = agents.get(at) else { continue };
                self.record.late(due.elapsed());
                let planned = match turn {
                    Turn::Poll => self.poll(agent, due).await,
                    Turn::Answer(given, doubt) => self.answer(agent, given, doubt).await,
                };
                (at, planned)
            };
            for (due, turn) in planned {
                turns.push(Reverse((due, order, at, Planned(turn))));
                order += 1;
            }
        }
    }

    /// Asks for work; gives the turns that follow from it.
    async fn poll(&self, agent: &Agent<D::Identity>, due: Instant) -> Vec<(Instant, Turn)> {
        if agent.nature == Nature::Describing {
            self.describe(agent).await;
        }
        let (began, mut halted) = (Instant::now(), self.halted.clone());
        let asked = tokio::select! {
            given = self.dialect.poll(&agent.identity, self.wait) => given,
            () = self.break_off(agent, self.wait) => {
                self.dialect.restart(&agent.identity);
                return vec![(Instant::now() + SLOW, Turn::Poll)];
            }
            // what it is given now, nobody takes
            _ = halted.wait_for(|halted| *halted) => return vec![],
        };
        let given = match asked {
            Ok(given) => given,
            Err(error) => {
                self.record.failed(agent.number, &error);
                return vec![(Instant::now() + AGAIN, Turn::Poll)];
            }
        };
        self.record.polled(agent.number, &given, began, D::ONCE && self.once);
        let now = Instant::now();
        let next = if self.wait.is_zero() { now.max(due + self.every) } else { now };
        match self.take(agent, given, now) {
            Some(mut turns) => {
                turns.push((next, Turn::Poll));
                turns
            }
            None => vec![(now + SLOW, Turn::Poll)],
        }
    }

    /// Waits until the agent dies in the middle of what it asks or sends, which takes so long at most.
    async fn break_off(&self, agent: &Agent<D::Identity>, lasts: Duration) {
        if !D::BREAKS_OFF || agent.nature != Nature::Crashing {
            return std::future::pending().await;
        }
        let call = agent.calls.fetch_add(1, Ordering::Relaxed);
        let mut dice = dice(agent.number, self.seed, CALLS + call);
        if !dice.random_bool(BREAKING_OFF) {
            return std::future::pending().await;
        }
        tokio::time::sleep((lasts + BROKEN_OFF).mul_f64(dice.random())).await;
        self.record.crashed();
    }

    /// Lets an agent describe its machine anew when it is time.
    async fn describe(&self, agent: &Agent<D::Identity>) {
        let last = *agent.described.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < DESCRIBING {
            return;
        }
        match self.dialect.describe(&agent.identity).await {
            Ok(()) => {
                *agent.described.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                self.record.described(agent.number);
            }
            Err(error) => self.record.failed(agent.number, &error),
        }
    }

    /// Takes work; gives the turns that follow from it, or none when the agent died with it.
    fn take(
        &self,
        agent: &Agent<D::Identity>,
        given: Vec<Given>,
        now: Instant,
    ) -> Option<Vec<(Instant, Turn)>> {
        if given.is_empty() {
            return Some(vec![]);
        }
        let mut dice = agent.dice(self.seed);
        if agent.nature == Nature::Crashing && dice.random_bool(0.5) {
            self.record.crashed();
            for work in given {
                self.dialect.forget(&agent.identity, work.run);
            }
            self.dialect.restart(&agent.identity);
            return None;
        }
        let mut turns = Vec::with_capacity(given.len() + 1);
        for work in given {
            let later = match agent.nature {
                Nature::Slow => SLOW.mul_f64(dice.random_range(0.1..1.0)),
                _ => Duration::ZERO,
            };
            turns.push((now + later, Turn::Answer(work, Doubt::None)));
        }
        Some(turns)
    }

    /// Answers, once or as its nature is; gives the turns that follow from it.
    async fn answer(
        &self,
        agent: &Agent<D::Identity>,
        given: Given,
        mut doubt: Doubt,
    ) -> Vec<(Instant, Turn)> {
        if agent.nature == Nature::Lying {
            self.lie(agent, given).await;
        }
        let times = match agent.nature {
            // one dies after the first and cannot know what became of it
            Nature::Duplicate | Nature::Crashing => 2,
            _ => 1,
        };
        let status = match given.action {
            Some(action) if D::TELLS_FAILURES => {
                ending(agent.number, self.seed, action.0, &self.parts)
            }
            _ => CommandStatus::Success,
        };
        for _ in 0..times {
            let began = Instant::now();
            let answer = Answer::of(agent.number, given, status, self.bytes);
            if doubt != Doubt::Settled {
                self.record.sending(agent.number, given, status);
            }
            let answered = tokio::select! {
                answered = self.dialect.answer(&agent.identity, std::slice::from_ref(&answer)) => answered,
                () = self.break_off(agent, Duration::ZERO) => {
                    // it finds the answer on its disk when it starts again
                    self.dialect.restart(&agent.identity);
                    return vec![(Instant::now() + SLOW, Turn::Answer(given, doubt.unheard()))];
                }
            };
            match answered {
                Ok(verdicts) => {
                    self.record.sent(began);
                    for verdict in verdicts {
                        // one that may have arrived before is no duplicate of ours
                        let verdict = match (doubt, verdict) {
                            (Doubt::Sent, Verdict::Duplicate) => Verdict::Accepted,
                            (_, verdict) => verdict,
                        };
                        self.record.answered(agent.number, given, status, Truth::Asked, verdict);
                    }
                    doubt = Doubt::Settled;
                }
                Err(error) => {
                    self.record.failed(agent.number, &error);
                    return vec![(Instant::now() + AGAIN, Turn::Answer(given, doubt.unheard()))];
                }
            }
        }
        self.dialect.forget(&agent.identity, given.run);
        vec![]
    }

    /// Answers what it was never asked: something that nobody was asked, and something that another was; and what it
    /// was asked in the name of another.
    async fn lie(&self, agent: &Agent<D::Identity>, given: Given) {
        // a number that MIG's commands could have, and none has
        let invented = agent.dice(self.seed).random_range(1_u64 << 50..1 << 53);
        let invented = Some(RunId(Uuid::from_u128(invented.into())));
        for run in [invented, self.record.run_of_another(agent.number)].into_iter().flatten() {
            let status = CommandStatus::Success;
            let given = Given { run, ..given };
            let answer = Answer::of(agent.number, given, status, self.bytes);
            match self.dialect.answer(&agent.identity, &[answer]).await {
                Ok(verdicts) => {
                    for verdict in verdicts {
                        self.record.answered(agent.number, given, status, Truth::Lie, verdict);
                    }
                }
                Err(error) => self.record.failed(agent.number, &error),
            }
        }
        let status = CommandStatus::Timeout;
        let results = vec![OperationResult::default(); given.operations];
        match self.dialect.forge(&agent.identity, &Answer { given, status, results }).await {
            Ok(verdicts) => {
                for verdict in verdicts {
                    self.record.answered(agent.number, given, status, Truth::Lie, verdict);
                }
            }
            Err(error) => self.record.failed(agent.number, &error),
        }
    }
}

/// Is a turn in a queue that is ordered by time alone.
#[derive(Debug, PartialEq, Eq)]
struct Planned(Turn);

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Planned {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

#[cfg(test)]
mod tests;
