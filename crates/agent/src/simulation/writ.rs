//! Writ's own language: `/agent/v1` over HTTP.

use super::config::Cli;
use super::dialect::{Answer, Dialect, Given, Newcomer, Verdict};
use super::nature::Nature;
use super::sockets;
use crate::client::{Client, Server};
use crate::question::Question;
use anyhow::{Context as _, bail};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use types::api::device::Approval;
use types::api::work::{AgentReport, ReceiptOutcome, Return, Returns, WorkItem};
use types::{Action, ActionId, Environment, PluginId};

/// Speaks for agents of Writ.
pub(super) struct Writ {
    /// One for each address that agents come from.
    clients: Vec<Client>,
    admin: Client,
    label: String,
    /// The modules of each action's operations; documents are read once.
    modules: Mutex<HashMap<ActionId, Arc<Vec<String>>>>,
}

/// Is an agent.
#[derive(Clone)]
pub(super) struct Member {
    client: Client,
    nature: Nature,
    described: Arc<AtomicU32>,
    question: Arc<Mutex<Question>>,
}

impl Member {
    fn question(&self) -> MutexGuard<'_, Question> {
        self.question.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const CLIENT_ID: &str = "writ-fleet";
const MACHINE: &str = "simulated";

impl Writ {
    pub(super) fn new(cli: &Cli) -> anyhow::Result<Self> {
        let admin = clients(cli)?.1;
        let server = server(cli);
        let addresses = sockets::addresses(cli)?.into_iter();
        let clients: anyhow::Result<_> =
            addresses.map(|address| Client::coming_from(&server, MACHINE, address)).collect();
        let modules = Mutex::default();
        Ok(Self { clients: clients?, admin, label: cli.label.clone(), modules })
    }

    fn modules(&self, item: &WorkItem) -> anyhow::Result<Arc<Vec<String>>> {
        let lock = || self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(modules) = lock().get(&item.action) {
            return Ok(Arc::clone(modules));
        }
        let action = Action::parse(item.document.as_bytes()).context("a document is broken")?;
        let operations = action.operations.into_iter().flatten();
        let modules = Arc::new(operations.map(|operation| operation.module).collect());
        lock().insert(item.action, Arc::clone(&modules));
        Ok(modules)
    }
}

fn server(cli: &Cli) -> Server {
    Server { url: cli.server.clone(), ca_file: None, proxy: None }
}

/// Describes the machine of an agent.
async fn report(client: &Client, nature: Nature, described: u32) -> anyhow::Result<()> {
    let environment = Environment {
        os: "linux".into(),
        arch: "amd64".into(),
        ident: format!("described {described} times"),
        modules: nature.modules(Writ::MODULES).iter().map(ToString::to_string).collect(),
        ..Environment::default()
    };
    let report = AgentReport { version: "fleet".into(), pid: 1, environment };
    client.report(&report).await.context("not described")
}

/// Gives a client without a token, and one of the investigator's.
pub(super) fn clients(cli: &Cli) -> anyhow::Result<(Client, Client)> {
    let key = std::fs::read_to_string(&cli.apikey_file)
        .with_context(|| format!("cannot read the API key in {}", cli.apikey_file.display()))?;
    let client = Client::new(&server(cli), MACHINE)?;
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
    type Identity = Member;
    const KIND: &'static str = "writ";
    const BREAKS_OFF: bool = true;
    const MODULES: &'static [&'static str] = &["file"];

    async fn enrol(&self, newcomer: Newcomer<'_>) -> anyhow::Result<Member> {
        let Newcomer { number, name, nature } = newcomer;
        let at = usize::try_from(number)? % self.clients.len().max(1);
        let client = self.clients.get(at).context("no address to come from")?;
        let client = enrol(client, &self.admin, &self.label, name, vec![]).await?;
        report(&client, nature, 1).await?;
        let described = Arc::new(AtomicU32::new(1));
        Ok(Member { client, nature, described, question: Arc::default() })
    }

    async fn poll(&self, member: &Member, wait: Duration) -> anyhow::Result<Vec<Given>> {
        let mut question = *member.question();
        let work = member.client.work(wait, &[], &mut question).await;
        *member.question() = question;
        let work = work?;
        work.items
            .iter()
            .map(|item| {
                let modules = self.modules(item)?;
                let lacking = member.nature.lacks(&modules, Self::MODULES);
                let (action, operations) = (Some(item.action), modules.len());
                let until = Some(item.leased_until);
                Ok(Given { run: item.run, action, operations, lacking, until })
            })
            .collect()
    }

    fn restart(&self, member: &Member) {
        *member.question() = Question::default();
    }

    async fn describe(&self, member: &Member) -> anyhow::Result<()> {
        let described = member.described.fetch_add(1, Ordering::Relaxed) + 1;
        report(&member.client, member.nature, described).await
    }

    async fn answer(&self, member: &Member, answers: &[Answer]) -> anyhow::Result<Vec<Verdict>> {
        let client = &member.client;
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
