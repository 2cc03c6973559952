//! Judges what the server tells of actions by what the agents did.

use super::agents::{SLOW, name};
use super::config::{Cli, Parts};
use super::dialect::{Answer, Dialect, Given};
use super::nature::Nature;
use super::record::{History, Told};
use serde_json::json;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;
use time::OffsetDateTime;
use types::api::action::{ActionView, CommandView};
use types::{ActionId, Clock, CommandId, OperationResult, RunId};

/// How long after its action's end a command may be open, whatever died (specs/mig/scheduler-agent.md §6).
const GRACE: Duration = Duration::from_secs(30);
/// An answer that was given so shortly before its action's end may have come too late.
const MARGIN: Duration = Duration::from_secs(10);
/// What a killed process had in its hands goes out again after so long at most: half a minute, and until the process is
/// back.
const KILLED: Duration = Duration::from_secs(45);

/// Says which agents there are and what they owe.
pub(super) struct Terms {
    numbers: HashMap<String, u32>,
    seed: u64,
    parts: Parts,
    modules: &'static [&'static str],
    /// How many bytes of padding each result has.
    bytes: usize,
    /// How long an agent that lives takes at most from when its command is made to its answer, but for how late its
    /// turns are.
    needed: Duration,
}

impl Terms {
    pub(super) fn of<D: Dialect>(cli: &Cli) -> Self {
        let numbers = (1..=cli.agents).map(|number| (name(&cli.label, number), number)).collect();
        let asking = Duration::from_secs_f64(cli.every) + Duration::from_secs(cli.wait);
        let killed = if cli.kills { KILLED } else { Duration::ZERO };
        let needed = asking + SLOW + MARGIN + killed;
        let bytes = usize::try_from(cli.result_bytes).unwrap_or(usize::MAX);
        Self { numbers, seed: cli.seed, parts: cli.parts, modules: D::MODULES, bytes, needed }
    }

    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(super) fn nature(&self, number: u32) -> Nature {
        Nature::of(number, self.seed, &self.parts)
    }

    /// Tells whether a command failed because its agent lacks a module, as it does.
    fn lacks(&self, nature: Nature, command: &CommandView) -> bool {
        let errors = command.results.iter().filter_map(|result| result.errors.as_ref()).flatten();
        let mut missing = errors.filter_map(|error| {
            // types::messages::command::module_is_missing
            error.strip_prefix("module '")?.strip_suffix("' is not available on this agent")
        });
        missing.any(|module| nature.lacks(&[module.to_owned()], self.modules))
    }
}

/// Compares the server's word with the agents'.
pub(super) struct Ledger<'a> {
    terms: &'a Terms,
    history: &'a History,
    revoked: &'a HashSet<u32>,
    /// What the agents answered and no action has shown yet.
    told: HashMap<RunId, Told>,
    /// For each agent, the commands that show no answer of it and need not.
    excuses: HashMap<u32, Vec<Excuse>>,
    faults: Vec<String>,
}

/// Is a command because of which one answer of its agent, in a language that tells no verdict, need not be kept.
struct Excuse {
    action: ActionId,
    /// Only one that was given after that; any when it was withdrawn.
    from: Option<OffsetDateTime>,
}

impl<'a> Ledger<'a> {
    pub(super) fn new(terms: &'a Terms, history: &'a History, revoked: &'a HashSet<u32>) -> Self {
        let (told, excuses) = (history.told.clone(), HashMap::new());
        Self { terms, history, revoked, told, excuses, faults: Vec::new() }
    }

    /// Notes what of an action may not be so.
    pub(super) fn judge(&mut self, action: &ActionView, commands: &[CommandView]) {
        self.count(action, commands);
        self.end(action, commands);
        let mut seen = HashSet::new();
        for command in commands {
            let Some(number) = self.terms.number(&command.agent_name) else { continue };
            if !seen.insert(number) {
                self.fault(action, &format!("agent {number} has two commands"));
            }
            if !self.judge_results(action, command, number) {
                self.judge_silence(action, command, number);
            }
        }
    }

    /// Notes when the list of commands in one state has others than those that are in it.
    pub(super) fn judge_list(
        &mut self,
        action: &ActionView,
        status: &str,
        all: &[CommandView],
        listed: &[CommandView],
    ) {
        let ids = |commands: &mut dyn Iterator<Item = &CommandView>| -> BTreeSet<CommandId> {
            commands.map(|command| command.id).collect()
        };
        let wanted = ids(&mut all.iter().filter(|command| command.status == status));
        let found = ids(&mut listed.iter());
        if found != wanted || found.len() != listed.len() {
            let (found, wanted) = (listed.len(), wanted.len());
            self.fault(action, &format!("its list of {status} has {found}, and {wanted} are"));
        }
    }

    fn fault(&mut self, action: &ActionView, what: &str) {
        self.faults.push(format!("action {}: {what}", action.id));
    }

    fn count(&mut self, action: &ActionView, commands: &[CommandView]) {
        let counters = action.counters;
        let mut sum = 0;
        for (status, counted) in [
            ("waiting", counters.waiting),
            ("delivered", counters.delivered),
            ("success", counters.success),
            ("failed", counters.failed),
            ("timeout", counters.timeout),
            ("expired", counters.expired),
            ("cancelled", counters.cancelled),
        ] {
            sum += counted;
            let listed = commands.iter().filter(|command| command.status == status).count();
            if usize::try_from(counted) != Ok(listed) {
                self.fault(action, &format!("{counted} {status}, listed {listed}"));
            }
        }
        let (targeted, listed) = (counters.targeted, commands.len());
        if usize::try_from(targeted) != Ok(listed) {
            self.fault(action, &format!("targeted {targeted}, listed {listed}"));
        }
        if targeted != sum {
            self.fault(action, &format!("targeted {targeted}, and the others are {sum}"));
        }
    }

    /// Notes what is open still, and what was so for too long.
    fn end(&mut self, action: &ActionView, commands: &[CommandView]) {
        let latest = action.expire_after + GRACE;
        let status = &action.status;
        let open =
            |command: &&CommandView| matches!(command.status.as_str(), "waiting" | "delivered");
        let open = commands.iter().filter(open).count();
        if !action.is_over() {
            if open == 0 && !commands.is_empty() {
                self.fault(action, &format!("is {status}, and all its commands ended"));
            }
            if Clock::system().now() > latest {
                self.fault(action, &format!("is {status} after its end"));
            }
            return;
        }
        if open > 0 {
            self.fault(action, &format!("is {status}, and {open} of its commands are open"));
        }
        if action.finished.is_some_and(|at| at > latest) {
            self.fault(action, "ended later than it may");
        }
    }

    /// Notes what of a command's results may not be so; tells whether there are any that an agent gave.
    fn judge_results(&mut self, action: &ActionView, command: &CommandView, number: u32) -> bool {
        let shown = command.results.iter().filter(|result| !result.elements.is_null());
        let mut runs = HashSet::new();
        for result in shown {
            let run = result.elements.get("run").and_then(|run| run.as_str()?.parse().ok());
            let own = result.elements.get("agent") == Some(&json!(number));
            let told =
                |run: &RunId| self.history.told.get(run).or_else(|| self.history.unsure.get(run));
            let Some((run, told)) = run.filter(|_| own).and_then(|run| Some((run, *told(&run)?)))
            else {
                self.fault(action, &format!("agent {number}: a result that nobody gave"));
                continue;
            };
            if told.agent != number || told.action.is_some_and(|of| of != action.id) {
                self.fault(action, &format!("agent {number}: the answer to another command"));
            }
            if runs.insert(run)
                && self.told.remove(&run).is_none()
                && self.history.told.contains_key(&run)
            {
                self.fault(
                    action,
                    &format!("agent {number}: an answer that is shown elsewhere too"),
                );
            }
            if !self.is_whole(command, run, told) {
                self.fault(action, &format!("agent {number}: another answer than it gave"));
            }
            if command.status != told.status.name() {
                let (given, shown) = (told.status.name(), &command.status);
                self.fault(action, &format!("agent {number}: {given} is shown as {shown}"));
            }
        }
        if runs.len() > 1 {
            self.fault(action, &format!("agent {number}: two answers to one command"));
        }
        !runs.is_empty()
    }

    /// Tells whether a command shows all results of an answer, as they were given.
    fn is_whole(&self, command: &CommandView, run: RunId, told: Told) -> bool {
        let Told { agent, action, operations, status, .. } = told;
        let given = Given { run, action, operations, lacking: false, until: None };
        let answer = Answer::of(agent, given, status, self.terms.bytes);
        let same = |(shown, given): (&OperationResult, &OperationResult)| {
            shown.elements == given.elements
                && (shown.foundanything, shown.success) == (given.foundanything, given.success)
        };
        command.results.len() == operations && command.results.iter().zip(&answer.results).all(same)
    }

    /// Notes when a command ended without a word of its agent, and may not have.
    fn judge_silence(&mut self, action: &ActionView, command: &CommandView, number: u32) {
        let from = (command.status != "cancelled").then(|| action.expire_after - MARGIN);
        self.excuses.entry(number).or_default().push(Excuse { action: action.id, from });
        let nature = self.terms.nature(number);
        let what = match command.status.as_str() {
            _ if self.revoked.contains(&number) => return,
            "success" | "timeout" => "though nobody said so",
            "cancelled" if action.status != "cancelled" => "and its action is not",
            "failed" if self.terms.lacks(nature, command) => {
                let at_once = command.finished.is_none_or(|at| at <= command.started + GRACE);
                if at_once || nature != Nature::Lacking {
                    return;
                }
                "though what cannot be done fails at once"
            }
            // one that is held back may never have been given out
            "expired" if action.dispatch.is_some() => return,
            "failed" | "expired" if nature.answers() && self.had_time(action, command, number) => {
                "though the agent was there, and answers"
            }
            _ => return,
        };
        self.fault(action, &format!("agent {number}: {}, {what}", command.status));
    }

    /// Tells whether an agent was there for long enough, without a call that failed, before its command ended.
    fn had_time(&self, action: &ActionView, command: &CommandView, number: u32) -> bool {
        let end = command.finished.unwrap_or(action.expire_after);
        let end = end.min(action.expire_after).min(self.history.stopped);
        let mut from = command.started.max(self.history.began);
        let life = self.history.lives.get(&number);
        for [first, last] in life.iter().flat_map(|life| &life.bad_times) {
            if *first <= end {
                from = from.max(*last);
            }
        }
        end - from >= self.terms.needed + self.history.latest_turn
    }

    /// Gives all that may not be so, with the answers that no action shows, and actions that were `expected` and are
    /// not there.
    pub(super) fn close(mut self, expected: Option<usize>, actions: &[ActionView]) -> Vec<String> {
        let mut lost: Vec<&Told> = self.told.values().collect();
        // what excuses an answer excuses all later ones as well: so each finds one if any does
        lost.sort_by_key(|told| told.at);
        for told in lost {
            let mut excuses = self.excuses.get_mut(&told.agent).filter(|_| !told.sure);
            let excuse = excuses.as_mut().and_then(|excuses| {
                let fits = |excuse: &Excuse| {
                    told.action.is_none_or(|of| of == excuse.action)
                        && excuse.from.is_none_or(|from| told.at > from)
                };
                excuses.iter().position(fits).map(|at| excuses.swap_remove(at))
            });
            if excuse.is_none() {
                let of = told.action.map(|action| format!("action {action}: ")).unwrap_or_default();
                self.faults.push(format!("{of}the answer of agent {} is lost", told.agent));
            }
        }
        let over = actions.iter().filter(|action| action.is_over()).count();
        if let Some(expected) = expected.filter(|expected| *expected > over) {
            self.faults.push(format!(
                "{expected} actions were to be, and there are {}, of which {over} are over",
                actions.len()
            ));
        }
        self.faults
    }
}

#[cfg(test)]
mod tests;
