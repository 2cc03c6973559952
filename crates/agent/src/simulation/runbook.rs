//! The language of `RunbookSolutions`' agents: `/oauth` and `/api/agent` over HTTP (specs/runbook/backend.md §4).

use super::config::Cli;
use super::dialect::{Answer, Dialect, Given, Newcomer, Verdict};
use super::writ::{clients, enrol};
use crate::client::{Client, SOON};
use anyhow::{Context as _, bail};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use std::time::Duration;
use types::{PluginId, RunId, TaskId};

/// Speaks for agents of `RunbookSolutions`.
pub(super) struct Runbook {
    client: Client,
    admin: Client,
    label: String,
    plugin: PluginId,
}

/// Wraps every answer.
#[derive(Deserialize)]
struct Wrapped<T> {
    data: T,
}

#[derive(Deserialize)]
struct Oneself {
    plugins: Vec<PluginId>,
}

#[derive(Deserialize)]
struct Plugin {
    id: PluginId,
    script: String,
    hash: String,
}

#[derive(Deserialize)]
struct Task {
    id: TaskId,
    command: String,
    cron: Option<String>,
}

impl Runbook {
    pub(super) fn new(cli: &Cli) -> anyhow::Result<Self> {
        let (client, admin) = clients(cli)?;
        let plugin = cli.plugin.context("no --plugin")?;
        Ok(Self { client, admin, label: cli.label.clone(), plugin })
    }
}

impl Dialect for Runbook {
    type Identity = Client;
    const KIND: &'static str = "runbook";
    const TELLS_FAILURES: bool = false;
    /// A task that runs once is listed once (`--task-attempts`), whatever was killed.
    const ONCE: bool = true;

    async fn enrol(&self, newcomer: Newcomer<'_>) -> anyhow::Result<Client> {
        let (name, plugins) = (newcomer.name, vec![self.plugin]);
        let client = enrol(&self.client, &self.admin, &self.label, name, plugins).await?;
        let oneself: Wrapped<Oneself> = client.get("api/agent").await.context("nobody")?;
        if oneself.data.plugins != [self.plugin] {
            bail!("has other plugins than it was given: {:?}", oneself.data.plugins);
        }
        let path = format!("api/agent/plugin/{}", self.plugin);
        let plugin: Wrapped<Plugin> = client.get(&path).await.context("no plugin")?;
        let Plugin { id, script, hash } = plugin.data;
        if id != self.plugin || hex::encode(Sha512::digest(script)) != hash {
            bail!("the plugin is not what its hash says");
        }
        Ok(client)
    }

    async fn poll(&self, client: &Client, _: Duration) -> anyhow::Result<Vec<Given>> {
        let tasks: Wrapped<Vec<Task>> = client.get("api/agent/tasks").await?;
        let once = tasks.data.into_iter().filter(|task| task.cron.is_none());
        let given = once.map(|task| {
            if !task.command.starts_with(&format!("{}.", self.plugin)) {
                bail!("{} is no command of the plugin", task.command);
            }
            let run = RunId(task.id.0);
            Ok(Given { run, action: None, operations: 1, lacking: false, until: None })
        });
        given.collect()
    }

    async fn answer(&self, client: &Client, answers: &[Answer]) -> anyhow::Result<Vec<Verdict>> {
        let mut verdicts = Vec::with_capacity(answers.len());
        for answer in answers {
            let elements = answer.results.first().map(|result| &result.elements);
            let path = format!("api/agent/task/{}", answer.given.run);
            let sent = client.post::<Value>(&path, &json!({ "data": elements }), SOON).await;
            verdicts.push(match sent {
                Ok(_) => Verdict::Untold,
                Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Verdict::Refused,
                Err(error) => return Err(error.into()),
            });
        }
        Ok(verdicts)
    }
}
