//! What the languages of agents have in common.

use std::time::Duration;
use types::{ActionId, CommandStatus, OperationResult, RunId};

/// Is work as an agent was given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Given {
    /// Names it; the same each time it is given.
    pub(super) run: RunId,
    /// The action.
    pub(super) action: ActionId,
    /// How many results are wanted.
    pub(super) operations: usize,
}

/// Is an answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// What it answers.
    pub(super) run: RunId,
    /// How it went.
    pub(super) status: CommandStatus,
    /// One per operation.
    pub(super) results: Vec<OperationResult>,
}

/// Says what the server made of an answer, where the language tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is stored.
    Accepted,
    /// It was there already.
    Duplicate,
    /// It is not this agent's to give.
    Refused,
}

/// Speaks one language for all simulated agents.
pub(super) trait Dialect: Send + Sync + 'static {
    /// Is by what the server knows an agent.
    type Identity: Clone + Send + Sync + 'static;
    /// The language's name.
    const KIND: &'static str;

    /// Makes an agent known to the server under this name.
    fn enrol(&self, name: &str) -> impl Future<Output = anyhow::Result<Self::Identity>> + Send;

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
}
