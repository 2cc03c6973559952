//! Writ's own language: `/agent/v1` over HTTP.

use super::config::Cli;
use super::dialect::{Answer, Dialect, Given, Newcomer, Verdict};
use crate::client::{Client, Server};
use anyhow::{Context as _, bail};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use types::api::device::Approval;
use types::api::work::{AgentReport, ReceiptOutcome, Return, Returns, WorkItem};
use types::{Action, ActionId, Environment, PluginId};

/// Speaks for agents of Writ.
pub(super) struct Writ {
    client: Client,
    admin: Client,
    label: String,
    /// How many operations each action has; documents are read once.
    operations: Mutex<HashMap<ActionId, usize>>,
}

const CLIENT_ID: &str = "writ-fleet";

impl Writ {
    pub(super) fn new(cli: &Cli) -> anyhow::Result<Self> {
        let (client, admin) = clients(cli)?;
        Ok(Self { client, admin, label: cli.label.clone(), operations: Mutex::default() })
    }

    fn operations(&self, item: &WorkItem) -> anyhow::Result<usize> {
        let lock = || self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = lock().get(&item.action) {
            return Ok(*count);
        }
        let action = Action::parse(item.document.as_bytes()).context("a document is broken")?;
        let count = action.operations.map_or(0, |operations| operations.len());
        lock().insert(item.action, count);
        Ok(count)
    }
}

/// Gives a client without a token, and one of the investigator's.
pub(super) fn clients(cli: &Cli) -> anyhow::Result<(Client, Client)> {
    let key = std::fs::read_to_string(&cli.apikey_file)
        .with_context(|| format!("cannot read the API key in {}", cli.apikey_file.display()))?;
    let server = Server { url: cli.server.clone(), ca_file: None, proxy: None };
    let client = Client::new(&server, "simulated")?;
    let admin = client.clone().with_token(key.trim())?;
    Ok((client, admin))
}

/// Enrols an agent by device code; gives a client with its token.
pub(super) async fn enrol(
    client: &Client,
    admin: &Client,
    label: &str,
    name: &str,
    plugins: Vec<PluginId>,
) -> anyhow::Result<Client> {
    let code = client.device_code(CLIENT_ID).await.context("no device code")?;
    let tags = [("fleet".to_owned(), label.to_owned())].into();
    let approval = Approval { name: name.into(), team_id: None, plugins, tags };
    admin.approve(&code.user_code, &approval).await.context("not approved")?;
    let token = client.token(CLIENT_ID, &code.device_code).await.context("no token")?;
    client.clone().with_token(&token.access_token)
}

impl Dialect for Writ {
    type Identity = Client;
    const KIND: &'static str = "writ";

    async fn enrol(&self, newcomer: Newcomer<'_>) -> anyhow::Result<Client> {
        let client = enrol(&self.client, &self.admin, &self.label, newcomer.name, vec![]).await?;
        let environment = Environment {
            os: "linux".into(),
            arch: "amd64".into(),
            modules: vec!["file".into()],
            ..Environment::default()
        };
        let report = AgentReport { version: "fleet".into(), pid: 1, environment };
        client.report(&report).await.context("not described")?;
        Ok(client)
    }

    async fn poll(&self, client: &Client, wait: Duration) -> anyhow::Result<Vec<Given>> {
        let work = client.work(wait, &[]).await?;
        work.items
            .iter()
            .map(|item| {
                let operations = self.operations(item)?;
                Ok(Given { run: item.run, action: Some(item.action), operations })
            })
            .collect()
    }

    async fn answer(&self, client: &Client, answers: &[Answer]) -> anyhow::Result<Vec<Verdict>> {
        let items = answers.iter().map(|answer| Return {
            run: answer.given.run,
            status: answer.status,
            results: answer.results.clone(),
        });
        let receipts = client.send(&Returns { items: items.collect() }).await?;
        if receipts.items.len() != answers.len() {
            bail!("{} receipts for {} answers", receipts.items.len(), answers.len());
        }
        Ok(receipts
            .items
            .iter()
            .map(|receipt| match receipt.outcome {
                ReceiptOutcome::Accepted => Verdict::Accepted,
                ReceiptOutcome::Duplicate => Verdict::Duplicate,
                ReceiptOutcome::Refused => Verdict::Refused,
            })
            .collect())
    }
}
