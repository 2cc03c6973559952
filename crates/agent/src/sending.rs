//! Hands in answers until the server has them.

use crate::backoff::Backoff;
use crate::client::CallError;
use crate::run::{blocking, failed};
use crate::work::Shared;
use reqwest::StatusCode;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use types::api::work::{Receipt, ReceiptOutcome, Return, Returns};

/// Hands in what is in the spool and what comes into it, until the agent ends.
pub(crate) async fn send(shared: Arc<Shared>) {
    let spool = Arc::clone(shared.desk.spool());
    let mut backoff = Backoff::new(shared.pace);
    let mut most = usize::MAX;
    loop {
        if spool.len() == 0 {
            tokio::select! {
                () = shared.ended() => return,
                () = spool.filled.notified() => {}
            }
            continue;
        }
        let sent = tokio::select! {
            () = shared.ended() => return,
            sent = send_batch(&shared, most) => sent,
        };
        let go_on = match sent {
            Ok(()) => {
                backoff.reset();
                most = usize::MAX;
                true
            }
            Err(failure) => {
                most = if matches!(failure, Failure::Unwanted(..)) { 1 } else { most };
                recover(&shared, failure, &mut backoff).await
            }
        };
        if !go_on {
            return;
        }
    }
}

/// Waits after a failure, and clears an answer that is in the way; tells whether to go on.
async fn recover(shared: &Shared, failure: Failure, backoff: &mut Backoff) -> bool {
    match failure {
        Failure::Unwanted(error, answers) => {
            // one bad answer must not hold up the others: it is found by sending one at a time
            if let [answer] = answers.as_slice() {
                give_way(shared, answer, &error).await;
            }
            shared.after(&error, "hand in answers", backoff).await
        }
        Failure::Call(error) => shared.after(&error, "hand in answers", backoff).await,
        Failure::Disk(error) => {
            tracing::error!(%error, "the spool cannot be used, trying again");
            shared.pause(backoff.wait(None)).await
        }
    }
}

/// Hands in what is in the spool, once, within `limit`; for the end of the agent.
pub(crate) async fn flush(shared: &Shared, limit: Duration) {
    let all = async {
        while shared.desk.spool().len() > 0 {
            if send_batch(shared, usize::MAX).await.is_err() {
                break;
            }
        }
    };
    if tokio::time::timeout(limit, all).await.is_err() || shared.desk.spool().len() > 0 {
        tracing::info!(answers = shared.desk.spool().len(), "answers stay in the spool");
    }
}

enum Failure {
    /// The server does not take these answers as they are.
    Unwanted(CallError, Vec<Return>),
    /// The call did not work.
    Call(CallError),
    /// The spool did not work.
    Disk(io::Error),
}

async fn send_batch(shared: &Shared, most: usize) -> Result<(), Failure> {
    let spool = Arc::clone(shared.desk.spool());
    let items = blocking(move || spool.batch(most)).await.map_err(Failure::Disk)?;
    if items.is_empty() {
        return Ok(());
    }
    let sent: BTreeSet<_> = items.iter().map(|item| item.run).collect();
    let answers = Returns { items };
    let receipts = match shared.client.send(&answers).await {
        Ok(receipts) => receipts,
        Err(error) if is_unwanted(&error) => {
            return Err(Failure::Unwanted(error, answers.items));
        }
        Err(error) => return Err(Failure::Call(error)),
    };
    let mut settled = false;
    for receipt in receipts.items {
        if sent.contains(&receipt.run) {
            shared.desk.settle(receipt).await.map_err(Failure::Disk)?;
            settled = true;
        }
    }
    if settled { Ok(()) } else { Err(Failure::Call(CallError::NoReceipt)) }
}

/// Tells whether the same answers would be refused again.
fn is_unwanted(error: &CallError) -> bool {
    let hopeless =
        [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE, StatusCode::UNPROCESSABLE_ENTITY];
    error.status().is_some_and(|status| hopeless.contains(&status))
}

/// Puts a short answer in place of one that the server will never take; drops it when that is not taken either.
async fn give_way(shared: &Shared, answer: &Return, error: &CallError) {
    const LOST: &str = "the answer was lost: ";
    tracing::error!(run.id = %answer.run, %error, "the server does not take an answer");
    let errors = answer.results.iter().filter_map(|result| result.errors.as_ref()).flatten();
    let outcome = if errors.into_iter().any(|error| error.starts_with(LOST)) {
        let receipt = Receipt { run: answer.run, outcome: ReceiptOutcome::Refused };
        shared.desk.settle(receipt).await
    } else {
        let operations = answer.results.len().max(1);
        let instead = failed(answer.run, operations, &format!("{LOST}{error}"));
        let spool = Arc::clone(shared.desk.spool());
        blocking(move || spool.replace(&instead)).await
    };
    if let Err(error) = outcome {
        tracing::error!(%error, "the spool cannot be used");
    }
}
