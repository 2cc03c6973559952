//! What happens to one piece of work, from the server's hand to the spool.

use crate::check::{Order, Reason, Refusal, Rules};
use crate::client::CallError;
use crate::ledger::{Admission, Entry, Ledger};
use crate::operation::{Done, Operations};
use crate::spool::Spool;
use crate::state::StateDir;
use crate::work::Shared;
use anyhow::Context as _;
use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use types::api::work::{Receipt, ReceiptOutcome, Return, WorkItem};
use types::{Clock, CommandStatus, RunId};

/// Takes work, runs what may run, and keeps the answers.
#[derive(Debug)]
pub(crate) struct Desk {
    rules: Rules,
    ledger: Arc<Ledger>,
    spool: Arc<Spool>,
    operations: Operations,
    slots: Semaphore,
    max_output: usize,
    clock: Clock,
    in_hand: Mutex<HashSet<RunId>>,
}

/// Says how many orders wait for a free slot; what is above is handed out again later.
const MOST_IN_HAND: usize = 64;
/// Says how many bytes of elements the operations of one order may bring back together; the server takes 32 MiB.
const MOST_OUTPUT: usize = 24 * 1024 * 1024;

impl Desk {
    /// Opens ledger and spool in the agent's state.
    pub(crate) fn open(
        state: &StateDir,
        rules: Rules,
        operations: Operations,
        concurrency: usize,
        max_output: usize,
    ) -> anyhow::Result<Self> {
        let ledger = Ledger::open(state.dir("ledger")).context("cannot read the ledger")?;
        let spool = Spool::open(state.dir("spool"), state.dir("answers"));
        Ok(Self {
            rules,
            ledger: Arc::new(ledger),
            spool: Arc::new(spool.context("cannot read the spool")?),
            clock: operations.clock.clone(),
            operations,
            slots: Semaphore::new(concurrency.max(1)),
            max_output,
            in_hand: Mutex::default(),
        })
    }

    /// Gives the spool.
    pub(crate) fn spool(&self) -> &Arc<Spool> {
        &self.spool
    }

    /// Takes a piece of work and has it run in `runs`; tells whether it is new.
    pub(crate) fn take(shared: &Arc<Shared>, item: WorkItem, runs: &mut JoinSet<()>) -> bool {
        let desk = &shared.desk;
        let run = item.run;
        {
            let mut in_hand = desk.in_hand();
            if in_hand.len() >= MOST_IN_HAND || !in_hand.insert(run) {
                return false;
            }
        }
        let new = !desk.spool.waits(run) && !desk.ledger.knows(run);
        let shared = Arc::clone(shared);
        runs.spawn(async move {
            let _in_hand = InHand { desk: &shared.desk, run };
            if let Err(error) = shared.desk.handle(&shared, item).await {
                tracing::error!(run.id = %run, %error, "cannot keep what has to be kept; the work was not done");
            }
        });
        new
    }

    async fn handle(&self, shared: &Shared, item: WorkItem) -> io::Result<()> {
        let run = item.run;
        if self.spool.waits(run) {
            return Ok(());
        }
        if self.ledger.knows(run) {
            return self.answer_again(run).await;
        }
        let Ok(_slot) = self.slots.acquire().await else { return Ok(()) };
        match self.admit(&item).await? {
            Ok(order) => {
                let answer = self.carry_out(run, order).await;
                self.put_at_last(shared, answer).await;
                Ok(())
            }
            Err(refusal) => self.refuse(&item, &refusal).await,
        }
    }

    async fn refuse(&self, item: &WorkItem, refusal: &Refusal) -> io::Result<()> {
        let reason = refusal.reason.to_string();
        tracing::warn!(run.id = %item.run, action.id = %item.action, reason, "order refused");
        self.put(failed(item.run, refusal.operations, &reason)).await
    }

    /// Decides whether an order may run; one that may is in the ledger then.
    async fn admit(&self, item: &WorkItem) -> io::Result<Result<Order, Refusal>> {
        let order = match self.rules.check(&item.document, self.clock.now()) {
            Ok(order) => order,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let operations = order.operations.len();
        let entry = Entry { run: item.run, operations, expires: order.expires, answered: false };
        let (ledger, marks, former) = (Arc::clone(&self.ledger), order.marks.clone(), order.former);
        Ok(match blocking(move || ledger.admit(&marks, &former, &entry)).await? {
            Admission::Admitted => Ok(order),
            Admission::Replayed => Err(Refusal { operations, reason: Reason::Replayed }),
        })
    }

    /// Runs the operations one after the other; the first that does not succeed gives the status.
    async fn carry_out(&self, run: RunId, order: Order) -> Return {
        tracing::info!(run.id = %run, order.signers = ?order.signers, "order taken");
        let share = MOST_OUTPUT / order.operations.len().max(1);
        let max_output = self.max_output.min(share);
        let mut answer = Return { run, status: CommandStatus::Success, results: Vec::new() };
        for operation in order.operations {
            let Done { status, result } =
                self.operations.run(operation, order.expires, max_output).await;
            if answer.status == CommandStatus::Success {
                answer.status = status;
            }
            answer.results.push(result);
        }
        tracing::info!(run.id = %run, status = answer.status.name(), "order done");
        answer
    }

    /// Puts the answer of a run that was carried out into the spool again.
    async fn answer_again(&self, run: RunId) -> io::Result<()> {
        tracing::info!(run.id = %run, "asked again for a run that was carried out");
        let spool = Arc::clone(&self.spool);
        blocking(move || {
            let gone = || {
                failed(
                    run,
                    1,
                    "this run was carried out and answered; the answer is not kept any more",
                )
            };
            let answer = spool.kept(run)?.unwrap_or_else(gone);
            spool.put(&answer)
        })
        .await
    }

    async fn put(&self, answer: Return) -> io::Result<()> {
        let spool = Arc::clone(&self.spool);
        blocking(move || spool.put(&answer)).await
    }

    /// Puts an answer into the spool, however long it takes: it cannot be had a second time.
    async fn put_at_last(&self, shared: &Shared, answer: Return) {
        let mut pause = Duration::from_secs(1);
        while let Err(error) = self.put(answer.clone()).await {
            tracing::error!(run.id = %answer.run, %error, "cannot keep an answer, trying again");
            if !shared.pause(pause).await {
                return;
            }
            pause = (pause * 2).min(Duration::from_mins(1));
        }
    }

    /// Answers for runs that were begun and will never end.
    pub(crate) async fn report_interrupted(&self) -> io::Result<()> {
        for entry in self.ledger.unanswered() {
            // in this order: a run leaves the hand for the spool, and the spool when the ledger says answered
            let cared_for = self.in_hand().contains(&entry.run)
                || self.spool.waits(entry.run)
                || !self.ledger.is_unanswered(entry.run);
            if cared_for {
                continue;
            }
            tracing::warn!(run.id = %entry.run, "run was interrupted");
            let reason = "interrupted: the agent was stopped while it carried out this order";
            self.put(failed(entry.run, entry.operations, reason)).await?;
        }
        Ok(())
    }

    /// Takes note of what became of an answer.
    pub(crate) async fn settle(&self, receipt: Receipt) -> io::Result<()> {
        let run = receipt.run;
        if receipt.outcome == ReceiptOutcome::Refused {
            tracing::warn!(run.id = %run, "the server does not want this answer");
        }
        let (ledger, spool) = (Arc::clone(&self.ledger), Arc::clone(&self.spool));
        blocking(move || {
            let carried_out = ledger.mark_answered(run)?;
            spool.settle(run, carried_out)
        })
        .await
    }

    /// Looks up the assigned plugins.
    pub(crate) async fn sync_plugins(&self) -> Result<(), CallError> {
        self.operations.plugins.sync().await
    }

    /// Forgets orders that are over, and their answers.
    pub(crate) async fn tidy(&self) -> io::Result<()> {
        let now = self.clock.now();
        let (ledger, spool) = (Arc::clone(&self.ledger), Arc::clone(&self.spool));
        blocking(move || {
            for run in ledger.purge(now)? {
                spool.drop_kept(run)?;
            }
            Ok(())
        })
        .await
    }

    /// Gives the runs that wait for a slot or run.
    pub(crate) fn holds(&self) -> Vec<RunId> {
        self.in_hand().iter().copied().collect()
    }

    fn in_hand(&self) -> MutexGuard<'_, HashSet<RunId>> {
        self.in_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct InHand<'a> {
    desk: &'a Desk,
    run: RunId,
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.desk.in_hand().remove(&self.run);
    }
}

/// Is the answer of an order none of whose operations ran.
pub(crate) fn failed(run: RunId, operations: usize, reason: &str) -> Return {
    let results = (0..operations).map(|_| Done::failed(reason).result).collect();
    Return { run, status: CommandStatus::Failed, results }
}

/// Does file work away from the threads that speak with the server.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
