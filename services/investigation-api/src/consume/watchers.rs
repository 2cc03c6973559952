//! Runs that callers of this process watch.

use crate::InvestigationApi;
use messaging::{Delivery, Outcome};
use types::messages::ActionChanged;

pub(super) fn handle(service: &InvestigationApi, batch: &[Delivery]) -> Outcome {
    for delivery in batch {
        match delivery.decode::<ActionChanged>() {
            Ok(event) => service.app.watchers.tell(event.data.id, event.data.version),
            Err(outcome) => return outcome,
        }
    }
    Outcome::Done
}

/// Has every watcher look: what was said while the queue did not exist was missed.
pub(super) fn connected(service: &InvestigationApi) {
    service.app.watchers.tell_all();
}
