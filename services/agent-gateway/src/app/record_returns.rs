//! An agent answers.

use super::{App, meters};
use crate::domain::answer::{Limits, in_messages, prepare};
use crate::domain::receipt::judge;
use crate::error::Error;
use crate::store::mailbox::{self, Found};
use messaging::TraceContext;
use std::collections::BTreeSet;
use time::OffsetDateTime;
use tracing::Instrument;
use types::api::work::{Receipt, ReceiptOutcome, Receipts, Return};
use types::messages::command::ReturnedCommand;
use types::{AgentId, OperationResult, RunId};

/// Is how large all results of one command may be: more does not fit into a message (decision 0002).
const COMMAND_BYTES: usize = 14 * 1_024 * 1_024;

/// Is an answer that was cleaned and cut, with its size in bytes of JSON.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    answer: Return,
    size: usize,
}

impl Prepared {
    /// Makes an answer fit to be kept and to travel. This takes time: large answers are prepared beside the event loops.
    pub(crate) fn new(mut answer: Return, max_result: usize) -> Self {
        let size =
            prepare(&mut answer.results, Limits { result: max_result, command: COMMAND_BYTES });
        Self { answer, size }
    }

    /// Gives the results with their size.
    pub(super) fn into_results(self) -> (Vec<OperationResult>, usize) {
        (self.answer.results, self.size)
    }
}

impl App {
    /// Closes the commands that an agent answers, each once, and tells the house.
    pub(crate) async fn record_returns(
        &self,
        agent: AgentId,
        answers: Vec<Prepared>,
    ) -> Result<Receipts, Error> {
        let now = self.clock.now();
        let runs: Vec<RunId> = answers.iter().map(|prepared| prepared.answer.run).collect();
        let receipts = self
            .store
            .tx(async |conn| {
                let found = mailbox::mailbox_find(conn, agent, &runs).await?;
                let span = tracing::info_span!("answer", agent.id = %agent);
                // the trace is the action's; the request that brought the answer is linked
                let request = TraceContext::current();
                messaging::follow(
                    &span,
                    found.values().map(|found| &found.trace).chain([&request]),
                );
                let mut taken = BTreeSet::new();
                let mut returned = Vec::new();
                let mut items = Vec::with_capacity(answers.len());
                for Prepared { answer, size } in answers {
                    let run = answer.run;
                    let command = found.get(&run);
                    let mut outcome = judge(command.map(|found| found.asked), &answer);
                    meters::answered(outcome);
                    if let (ReceiptOutcome::Accepted, Some(command)) = (outcome, command) {
                        if taken.insert(command.command) {
                            returned.push((size, returned_command(agent, command, answer, now)));
                        } else {
                            outcome = ReceiptOutcome::Duplicate;
                        }
                    }
                    items.push(Receipt { run, outcome });
                }
                let closed: Vec<_> = taken.into_iter().collect();
                mailbox::mailbox_close(conn, &closed, now).await?;
                let messages = in_messages(returned);
                self.bus.put_all(conn, now, &messages).instrument(span).await?;
                Ok::<_, Error>(Receipts { items })
            })
            .await?;
        self.bus.wake();
        Ok(receipts)
    }
}

fn returned_command(
    agent: AgentId,
    found: &Found,
    answer: Return,
    at: OffsetDateTime,
) -> ReturnedCommand {
    ReturnedCommand {
        id: found.command,
        action: found.action,
        agent,
        status: answer.status,
        results: answer.results,
        at,
    }
}
