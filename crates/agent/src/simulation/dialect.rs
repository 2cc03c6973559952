//! What the languages of agents have in common.

use super::nature::Nature;
use serde_json::json;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::mpsc::UnboundedSender;
use types::{ActionId, CommandStatus, OperationResult, RunId};

/// Is work as an agent was given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    /// Names it; the same each time it is given.
    pub(super) run: RunId,
    /// The action, where the language tells.
    pub(super) action: Option<ActionId>,
    /// How many results are wanted.
    pub(super) operations: usize,
    /// Whether it needs a module that the agent lacks.
    pub(super) lacking: bool,
    /// Until when it is this agent's, where the language tells; before, it may not come again.
    pub(super) until: Option<OffsetDateTime>,
}

/// Is an answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// What it answers.
    pub(super) given: Given,
    /// How it went.
    pub(super) status: CommandStatus,
    /// One per operation.
    pub(super) results: Vec<OperationResult>,
}

impl Answer {
    /// Writes what an agent answers, with so many `bytes` of padding: it can be recognised wherever it is shown.
    pub(super) fn of(agent: u32, given: Given, status: CommandStatus, bytes: usize) -> Self {
        let success = status == CommandStatus::Success;
        let elements = json!({"agent": agent, "run": given.run, "fill": "x".repeat(bytes)});
        let result = OperationResult {
            foundanything: success,
            success,
            elements,
            ..OperationResult::default()
        };
        Self { given, status, results: vec![result; given.operations] }
    }
}

/// Says what the server made of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is stored.
    Accepted,
    /// It was there already.
    Duplicate,
    /// It is not this agent's to give.
    Refused,
    /// It is with the server, which does not tell in this language what it makes of it.
    Untold,
}

/// Is an agent that is to be made known to the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newcomer<'a> {
    /// Its place in the fleet, from 1 on.
    pub(super) number: u32,
    /// Its name.
    pub(super) name: &'a str,
    /// What it is like.
    pub(super) nature: Nature,
}

/// Is where work goes that comes by itself.
#[derive(Debug, Clone)]
pub(super) struct Door {
    /// Goes to whoever gives the agent its turns.
    pub(super) to: UnboundedSender<(usize, Given)>,
    /// The agent's place there.
    pub(super) at: usize,
}

/// Speaks one language for all simulated agents.
pub(super) trait Dialect: Send + Sync + 'static {
    /// Is by what the server knows an agent.
    type Identity: Clone + Send + Sync + 'static;
    /// The language's name.
    const KIND: &'static str;
    /// Whether an answer can say that the work failed.
    const TELLS_FAILURES: bool = true;
    /// Whether an agent that dies breaks off what it asks or sends.
    const BREAKS_OFF: bool = false;
    /// Whether work comes once as long as no process is killed, and not again until it is answered.
    const ONCE: bool = false;
    /// The modules of an agent that lacks none.
    const MODULES: &'static [&'static str] = &[];

    /// Makes an agent known to the server.
    fn enrol(
        &self,
        newcomer: Newcomer<'_>,
    ) -> impl Future<Output = anyhow::Result<Self::Identity>> + Send;

    /// Asks for work, or says that the agent is there where work comes by itself.
    fn poll(
        &self,
        identity: &Self::Identity,
        wait: Duration,
    ) -> impl Future<Output = anyhow::Result<Vec<Given>>> + Send;

    /// Answers; gives a verdict for each.
    fn answer(
        &self,
        identity: &Self::Identity,
        answers: &[Answer],
    ) -> impl Future<Output = anyhow::Result<Vec<Verdict>>> + Send;

    /// Answers what an agent was asked as if others had been, where a language names who answers; gives a verdict for
    /// each of these lies.
    fn forge(
        &self,
        _identity: &Self::Identity,
        _answer: &Answer,
    ) -> impl Future<Output = anyhow::Result<Vec<Verdict>>> + Send {
        std::future::ready(Ok(vec![]))
    }

    /// Describes the agent's machine anew.
    fn describe(
        &self,
        _identity: &Self::Identity,
    ) -> impl Future<Output = anyhow::Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Says that an agent is done with work, or died with it.
    fn forget(&self, _identity: &Self::Identity, _run: RunId) {}

    /// Says where an agent's work is to go that comes by itself.
    fn expect(&self, _identity: &Self::Identity, _door: Door) {}

    /// Lets an agent die and start again.
    fn restart(&self, _identity: &Self::Identity) {}

    /// Brings work that comes by itself, as long as the fleet works.
    fn attend(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Leaves nothing behind on the server that only the fleet needs.
    fn leave(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
