//! Answers from agent-gateway.

use crate::Scheduler;
use crate::domain::answer::Answers;
use messaging::{Delivery, Outcome};
use types::Envelope;
use types::messages::CommandReturned;

/// Bodies that are larger together are read beside the event loops.
const QUICK_BYTES: usize = 256 << 10;

pub(super) async fn handle(service: &Scheduler, batch: &[Delivery]) -> Outcome {
    match take(service, batch).await {
        Ok(()) => Outcome::Done,
        Err(outcome) => outcome,
    }
}

async fn take(service: &Scheduler, batch: &[Delivery]) -> Result<(), Outcome> {
    let bytes: usize = batch.iter().map(|delivery| delivery.body.len()).sum();
    let returned = if bytes > QUICK_BYTES {
        let batch = batch.to_vec();
        tokio::task::spawn_blocking(move || read(&batch))
            .await
            .map_err(|_stopped| Outcome::Retry("the answers were not read".into()))??
    } else {
        read(batch)?
    };
    Ok(service.app.record_results(&returned).await?)
}

fn read(batch: &[Delivery]) -> Result<Vec<Envelope<Answers>>, Outcome> {
    batch.iter().map(Delivery::decode_part::<CommandReturned, Answers>).collect()
}
