//! Whether the server tells of every action and every agent what the agents did: what it tells is read here.

use super::config::Cli;
use super::dialect::Dialect;
use super::ledger::{Ledger, Terms};
use super::presence::{self, revoked};
use super::record::{History, Record};
use super::writ::clients;
use crate::client::{CallError, Client};
use anyhow::Context as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::Instant;
use types::Clock;
use types::api::Page;
use types::api::action::{ActionView, CommandView};
use types::api::agent::AgentView;

/// How long the server may take until it shows the last answers.
const SETTLING: Duration = Duration::from_mins(1);
/// How long it may take until it shows whom it heard last.
const HEARING: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_millis(500);
/// The states of commands that no agent answered; each has a list of its own that is compared.
const UNANSWERED: [&str; 4] = ["waiting", "delivered", "expired", "cancelled"];

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

    /// Compares what the server shows of the agents, and of every action since `since`, with what the agents did; gives
    /// the counters.
    pub(super) async fn compare<D: Dialect>(
        &self,
        cli: &Cli,
        record: &Record,
        since: OffsetDateTime,
    ) -> anyhow::Result<Value> {
        let (history, terms) = (record.history(), Terms::of::<D>(cli));
        // at once: agents that do not beat any more are soon said to be silent
        let agents = self.compare_agents(cli, record, &history, &terms).await?;
        let revoked = revoked(&agents, &terms);
        let end = Instant::now() + SETTLING;
        loop {
            let ledger = Ledger::new(&terms, &history, &revoked);
            let (actions, faults) = match self.compare_actions(ledger, cli.actions, since).await {
                Ok(compared) => compared,
                // it may be killed now as well
                Err(_) if Instant::now() < end => {
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            // answers travel: only what stays wrong is
            if faults.is_empty() || Instant::now() >= end {
                for fault in faults {
                    record.violate(fault);
                }
                return Ok(actions.iter().map(brief).collect());
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Reads all actions since `since`; gives them, and what of them may not be so.
    async fn compare_actions(
        &self,
        mut ledger: Ledger<'_>,
        expected: Option<usize>,
        since: OffsetDateTime,
    ) -> anyhow::Result<(Vec<ActionView>, Vec<String>)> {
        let actions = self.actions(since).await.context("cannot read the actions")?;
        for action in &actions {
            let read = async |status: &str| {
                self.commands(action, status).await.context("cannot read the commands")
            };
            let commands = read("").await?;
            ledger.judge(action, &commands);
            for status in UNANSWERED {
                let listed = read(&format!("&status={status}")).await?;
                ledger.judge_list(action, status, &commands, &listed);
            }
        }
        let faults = ledger.close(expected, &actions);
        Ok((actions, faults))
    }

    async fn compare_agents(
        &self,
        cli: &Cli,
        record: &Record,
        history: &History,
        terms: &Terms,
    ) -> anyhow::Result<Vec<AgentView>> {
        let end = Instant::now() + HEARING;
        loop {
            let now = Clock::system().now();
            let read = self.all("v1/agents?limit=500").await.context("cannot read the agents");
            let agents: Vec<AgentView> = match read {
                Ok(agents) => agents,
                Err(_) if Instant::now() < end + SETTLING => {
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let faults = presence::judge(cli, terms, history, &agents, now);
            if faults.is_empty() || Instant::now() >= end {
                for fault in faults {
                    record.violate(fault);
                }
                return Ok(agents);
            }
            tokio::time::sleep(AGAIN).await;
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

    async fn commands(
        &self,
        action: &ActionView,
        status: &str,
    ) -> Result<Vec<CommandView>, CallError> {
        self.all(&format!("v1/actions/{}/commands?limit=500{status}", action.id)).await
    }

    /// Reads all pages of a list.
    async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, CallError> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let page: Page<T> = self.client.get(&format!("{path}{cursor}")).await?;
            rows.extend(page.items);
            match page.next {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(rows),
            }
        }
    }
}

fn brief(action: &ActionView) -> Value {
    json!({"id": action.id, "status": action.status, "counters": action.counters})
}
