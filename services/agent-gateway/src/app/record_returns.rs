//! An agent answers.

use super::together::all_or_each;
use super::{App, meters};
use crate::domain::answer::{Limits, in_messages, prepare};
use crate::domain::receipt::judge;
use crate::error::Error;
use crate::store::mailbox::{self, Found};
use messaging::TraceContext;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use time::OffsetDateTime;
use tracing::Instrument;
use types::api::work::{Receipt, ReceiptOutcome, Receipts, Return};
use types::messages::command::ReturnedCommand;
use types::{AgentId, OperationResult, RunId};

/// Is how large all results of one command may be: more does not fit into a message (decision 0002).
const COMMAND_BYTES: usize = 14 * 1_024 * 1_024;
/// Larger answers are recorded by themselves: they would keep the small ones waiting.
pub(super) const TOGETHER_BYTES: usize = 64 << 10;

/// Is an answer that was cleaned and cut, with its size in bytes of JSON.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    answer: Return,
    size: usize,
}

impl Prepared {
    /// Makes an answer fit to be kept and to travel. This takes time: large answers are prepared beside the event
    /// loops.
    pub(crate) fn new(mut answer: Return, max_result: usize) -> Self {
        let size =
            prepare(&mut answer.results, Limits { result: max_result, command: COMMAND_BYTES });
        Self { answer, size }
    }

    /// Gives the answer as it is kept.
    pub(super) fn answer(&self) -> &Return {
        &self.answer
    }

    /// Gives the results with their size.
    pub(super) fn into_results(self) -> (Vec<OperationResult>, usize) {
        (self.answer.results, self.size)
    }
}

/// Is what an agent answers in one request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    agent: AgentId,
    answers: Vec<Prepared>,
    /// Whose request brought it.
    request: TraceContext,
}

impl Asked {
    fn size(&self) -> usize {
        self.answers.iter().map(|prepared| prepared.size).sum()
    }
}

/// Is what is told of answers that are part of one trace.
#[derive(Default)]
struct Traced<'a> {
    answers: Vec<(usize, ReturnedCommand)>,
    traces: Vec<&'a TraceContext>,
}

impl App {
    /// Closes the commands that an agent answers, each once, and tells the house; small answers together with those of
    /// others that come at the same time.
    pub(crate) async fn record_returns(
        self: &Arc<Self>,
        agent: AgentId,
        answers: Vec<Prepared>,
    ) -> Result<Receipts, Error> {
        let asked = Asked { agent, answers, request: TraceContext::current() };
        if asked.size() > TOGETHER_BYTES {
            let receipts = self.record_all(vec![asked]).await?;
            return receipts.into_iter().next().ok_or(Error::NotFound("receipt"));
        }
        let record = |asked: Vec<Asked>| {
            let app = Arc::clone(self);
            all_or_each(asked, move |some| {
                let app = Arc::clone(&app);
                async move { app.record_all(some).await }
            })
        };
        self.returns.ask(&self.tasks, asked, record).await?
    }

    /// Records what agents answer in one transaction; gives the receipts of each. What is told is not copied: a large
    /// answer takes many times as much memory as its bytes.
    async fn record_all(&self, asked: Vec<Asked>) -> Result<Vec<Receipts>, Error> {
        let now = self.clock.now();
        let of = |asked: &Asked| {
            let agent = asked.agent;
            asked.answers.iter().map(|one| (agent, one.answer.run)).collect::<Vec<_>>()
        };
        let runs: BTreeSet<(AgentId, RunId)> = asked.iter().flat_map(of).collect();
        let count = asked.len();
        let (asked, requests): (Vec<_>, Vec<_>) =
            asked.into_iter().map(|asked| ((asked.agent, asked.answers), asked.request)).unzip();
        let receipts = self
            .store
            .tx(async |conn| {
                let found = mailbox::mailbox_find(conn, &runs).await?;
                let mut taken = BTreeSet::new();
                let mut returned = BTreeMap::<Option<&str>, Traced<'_>>::new();
                let mut receipts = Vec::with_capacity(count);
                for ((agent, answers), request) in asked.into_iter().zip(&requests) {
                    let mut items = Vec::with_capacity(answers.len());
                    for Prepared { answer, size } in answers {
                        let run = answer.run;
                        let command = found.get(&(agent, run));
                        let mut outcome = judge(command.map(|found| found.asked), &answer);
                        if let (ReceiptOutcome::Accepted, Some(command)) = (outcome, command) {
                            if taken.insert(command.command) {
                                let answer = returned_command(agent, command, answer, now);
                                let traced = returned.entry(command.trace.to_keep()).or_default();
                                traced.answers.push((size, answer));
                                traced.traces.extend([&command.trace, request]);
                            } else {
                                outcome = ReceiptOutcome::Duplicate;
                            }
                        }
                        items.push(Receipt { run, outcome });
                    }
                    receipts.push(Receipts { items });
                }
                let closed: Vec<_> = taken.into_iter().collect();
                mailbox::mailbox_close(conn, &closed).await?;
                for Traced { answers, traces } in returned.into_values() {
                    let span = tracing::info_span!("answer");
                    // the trace is the action's; the requests that brought the answers are linked
                    messaging::follow(&span, traces);
                    let messages = in_messages(answers);
                    self.bus.put_all(conn, now, &messages).instrument(span).await?;
                }
                Ok::<_, Error>(receipts)
            })
            .await?;
        for receipt in receipts.iter().flat_map(|receipts| &receipts.items) {
            meters::answered(receipt.outcome);
        }
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
        given_up: false,
    }
}
