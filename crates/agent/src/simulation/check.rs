//! Whether the server tells of every action what the agents did.

use super::agents::name;
use super::config::Cli;
use super::record::Record;
use super::writ::clients;
use crate::client::{CallError, Client};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::Instant;
use types::api::Page;
use types::api::action::{ActionView, CommandView};

/// How long the server may take until it shows the last answers.
const SETTLING: Duration = Duration::from_mins(1);

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
            let mut faults = Vec::new();
            for action in &actions {
                let commands = self.commands(action).await.context("cannot read the commands")?;
                faults.extend(judge(cli, record, action, &commands));
            }
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
        let page: Page<ActionView> = self.client.get("v1/actions?limit=200").await?;
        Ok(page.items.into_iter().filter(|action| action.created >= since).collect())
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

/// Gives what of an action may not be so.
fn judge(cli: &Cli, record: &Record, action: &ActionView, commands: &[CommandView]) -> Vec<String> {
    let mut faults = Vec::new();
    let counters = action.counters;
    let of = |status: &str| {
        let count = commands.iter().filter(|command| command.status == status).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    };
    for (status, counted) in [
        ("waiting", counters.waiting),
        ("delivered", counters.delivered),
        ("success", counters.success),
        ("failed", counters.failed),
        ("timeout", counters.timeout),
        ("expired", counters.expired),
        ("cancelled", counters.cancelled),
    ] {
        if counted != of(status) {
            faults.push(format!("action {}: {counted} {status}, listed {}", action.id, of(status)));
        }
    }
    if usize::try_from(counters.targeted) != Ok(commands.len()) {
        let (targeted, listed) = (counters.targeted, commands.len());
        faults.push(format!("action {}: targeted {targeted}, listed {listed}", action.id));
    }
    let mut answers = record.answers_to(action.id);
    let numbers: HashMap<String, u32> =
        (1..=cli.agents).map(|number| (name(&cli.label, number), number)).collect();
    let mut seen = HashMap::new();
    for command in commands {
        let Some(number) = numbers.get(&command.agent_name).copied() else { continue };
        if seen.insert(number, command.id).is_some() {
            faults.push(format!("action {}: agent {number} has two commands", action.id));
        }
        let answered = answers.remove(&number);
        let at = || format!("action {}, agent {number}", action.id);
        match answered {
            None if !command.results.iter().all(|result| result.elements.is_null()) => {
                faults.push(format!("{}: a result that nobody gave", at()));
            }
            None => {}
            Some((_, status)) if command.status != status.name() => {
                faults.push(format!("{}: {} is shown as {}", at(), status.name(), command.status));
            }
            Some((run, _)) => {
                let own = |elements: &Value| {
                    elements.get("agent") == Some(&json!(number))
                        && elements.get("run") == Some(&json!(run))
                };
                if command.results.is_empty() || !command.results.iter().all(|r| own(&r.elements)) {
                    faults.push(format!("{}: another result than the agent gave", at()));
                }
            }
        }
    }
    for number in answers.keys() {
        faults.push(format!("action {}: the answer of agent {number} is lost", action.id));
    }
    faults
}
