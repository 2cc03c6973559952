//! Whether the server tells of every action what the agents did.

use super::agents::name;
use super::config::Cli;
use super::record::{Record, Told};
use super::writ::clients;
use crate::client::{CallError, Client};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::Instant;
use types::api::Page;
use types::api::action::{ActionView, CommandView};
use types::{Clock, RunId};

/// How long the server may take until it shows the last answers.
const SETTLING: Duration = Duration::from_mins(1);
/// How long after its action's end a command may be open, whatever died (specs/mig/scheduler-agent.md §6).
const GRACE: Duration = Duration::from_secs(30);
/// An answer that was given so shortly before its action's end may have come too late.
const MARGIN: Duration = Duration::from_secs(10);

/// Asks the server as an investigator.
pub(super) struct Server {
    client: Client,
}

impl Server {
    pub(super) fn new(cli: &Cli) -> anyhow::Result<Self> {
        Ok(Self { client: clients(cli)?.1 })
    }

    /// Counts the actions that were posted since `since` and are over; none when the server cannot be asked.
    pub(super) async fn count_over(&self, since: OffsetDateTime) -> usize {
        let actions = self.actions(since).await.unwrap_or_default();
        actions.iter().filter(|action| action.is_over()).count()
    }

    /// Compares what the server shows of every action since `since` with what the agents did; gives the counters.
    pub(super) async fn compare(
        &self,
        cli: &Cli,
        record: &Record,
        since: OffsetDateTime,
    ) -> anyhow::Result<Value> {
        let end = Instant::now() + SETTLING;
        loop {
            let actions = self.actions(since).await.context("cannot read the actions")?;
            let mut ledger = Ledger::new(cli, record);
            for action in &actions {
                let commands = self.commands(action).await.context("cannot read the commands")?;
                ledger.judge(action, &commands);
            }
            let faults = ledger.close();
            // answers travel: only what stays wrong is
            if faults.is_empty() || Instant::now() >= end {
                for fault in faults {
                    record.violate(fault);
                }
                return Ok(actions.iter().map(brief).collect());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn actions(&self, since: OffsetDateTime) -> Result<Vec<ActionView>, CallError> {
        let mut actions = Vec::new();
        let mut cursor = String::new();
        // newest first
        loop {
            let path = format!("v1/actions?limit=200{cursor}");
            let page: Page<ActionView> = self.client.get(&path).await?;
            let before = page.items.iter().any(|action| action.created < since);
            actions.extend(page.items.into_iter().filter(|action| action.created >= since));
            match page.next.filter(|_| !before) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(actions),
            }
        }
    }

    async fn commands(&self, action: &ActionView) -> Result<Vec<CommandView>, CallError> {
        let mut commands = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("v1/actions/{}/commands?limit=500{cursor}", action.id);
            let page: Page<CommandView> = self.client.get(&path).await?;
            commands.extend(page.items);
            match page.next {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(commands),
            }
        }
    }
}

fn brief(action: &ActionView) -> Value {
    json!({"id": action.id, "status": action.status, "counters": action.counters})
}

/// Compares the server's word with the agents'.
struct Ledger {
    numbers: HashMap<String, u32>,
    /// What the agents answered and no action has shown yet.
    told: HashMap<RunId, Told>,
    /// What may be missing, though an agent answered it.
    excused: HashSet<RunId>,
    faults: Vec<String>,
}

impl Ledger {
    fn new(cli: &Cli, record: &Record) -> Self {
        let numbers = (1..=cli.agents).map(|number| (name(&cli.label, number), number)).collect();
        Self { numbers, told: record.told(), excused: HashSet::new(), faults: Vec::new() }
    }

    /// Notes what of an action may not be so.
    fn judge(&mut self, action: &ActionView, commands: &[CommandView]) {
        self.count(action, commands);
        self.end(action, commands);
        let mut seen = HashSet::new();
        for command in commands {
            let Some(number) = self.numbers.get(&command.agent_name).copied() else { continue };
            if !seen.insert(number) {
                self.faults.push(format!("action {}: agent {number} has two commands", action.id));
            }
            self.judge_command(action, command, number);
        }
        // an answer that came after the end, in a language that tells no verdict, need not be kept
        let late =
            |told: &Told| action.status == "cancelled" || told.at > action.expire_after - MARGIN;
        let of = self.told.iter().filter(|(_, told)| {
            !told.sure && told.action.is_none_or(|of| of == action.id) && late(told)
        });
        self.excused.extend(of.map(|(run, _)| *run));
    }

    fn count(&mut self, action: &ActionView, commands: &[CommandView]) {
        let counters = action.counters;
        for (status, counted) in [
            ("waiting", counters.waiting),
            ("delivered", counters.delivered),
            ("success", counters.success),
            ("failed", counters.failed),
            ("timeout", counters.timeout),
            ("expired", counters.expired),
            ("cancelled", counters.cancelled),
        ] {
            let listed = commands.iter().filter(|command| command.status == status).count();
            if usize::try_from(counted) != Ok(listed) {
                self.faults
                    .push(format!("action {}: {counted} {status}, listed {listed}", action.id));
            }
        }
        if usize::try_from(counters.targeted) != Ok(commands.len()) {
            let (targeted, listed) = (counters.targeted, commands.len());
            self.faults.push(format!("action {}: targeted {targeted}, listed {listed}", action.id));
        }
    }

    /// Notes what is open still, and what was so for too long.
    fn end(&mut self, action: &ActionView, commands: &[CommandView]) {
        let latest = action.expire_after + GRACE;
        let open =
            |command: &&CommandView| matches!(command.status.as_str(), "waiting" | "delivered");
        let open = commands.iter().filter(open).count();
        if !action.is_over() {
            if open == 0 && !commands.is_empty() {
                let (id, status) = (action.id, &action.status);
                self.faults.push(format!("action {id}: is {status}, and all its commands ended"));
            }
            if Clock::system().now() > latest {
                self.faults
                    .push(format!("action {}: is {} after its end", action.id, action.status));
            }
            return;
        }
        if open > 0 {
            let (id, status) = (action.id, &action.status);
            self.faults
                .push(format!("action {id}: is {status}, and {open} of its commands are open"));
        }
        if action.finished.is_some_and(|at| at > latest) {
            self.faults.push(format!("action {}: ended later than it may", action.id));
        }
    }

    fn judge_command(&mut self, action: &ActionView, command: &CommandView, number: u32) {
        let at = || format!("action {}, agent {number}", action.id);
        let shown = command.results.iter().filter(|result| !result.elements.is_null());
        let mut runs = HashSet::new();
        for result in shown {
            let run = result.elements.get("run").and_then(|run| run.as_str()?.parse().ok());
            let own = result.elements.get("agent") == Some(&json!(number));
            match run.filter(|_| own).and_then(|run| Some((run, *self.told.get(&run)?))) {
                Some((run, told)) => {
                    runs.insert(run);
                    if told.agent != number || told.action.is_some_and(|of| of != action.id) {
                        self.faults.push(format!("{}: the answer to another command", at()));
                    }
                    if command.status != told.status.name() {
                        let (given, shown) = (told.status.name(), &command.status);
                        self.faults.push(format!("{}: {given} is shown as {shown}", at()));
                    }
                }
                None => self.faults.push(format!("{}: a result that nobody gave", at())),
            }
        }
        if runs.is_empty() && matches!(command.status.as_str(), "success" | "timeout") {
            self.faults.push(format!("{}: {}, though nobody said so", at(), command.status));
        }
        for run in runs {
            self.told.remove(&run);
        }
    }

    /// Gives all that may not be so, with the answers that no action shows.
    fn close(mut self) -> Vec<String> {
        for (run, told) in &self.told {
            if !self.excused.contains(run) {
                let of = told.action.map(|action| format!("action {action}: ")).unwrap_or_default();
                self.faults.push(format!("{of}the answer of agent {} is lost", told.agent));
            }
        }
        self.faults
    }
}
