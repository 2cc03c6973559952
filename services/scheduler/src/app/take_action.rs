//! Takes accepted actions, verifying each for itself.

use super::App;
use crate::domain::order::Order;
use crate::domain::run::RunStatus;
use crate::error::Error;
use crate::store::runs::{run_insert, run_keep_trace};
use auth::Keyring;
use messaging::inbox;
use std::collections::HashSet;
use store::Failure;
use time::OffsetDateTime;
use types::messages::ActionAccepted;
use types::{Action, Dispatch, Envelope};
use uuid::Uuid;

/// Is the name under which this consumer notes what it has taken.
const CONSUMER: &str = "scheduler.actions";

/// Is an action that investigation-api accepted, as its message arrived.
pub(crate) struct Accepted {
    /// The message.
    pub(crate) event: Envelope<ActionAccepted>,
    /// Whether it was not waited with before: an unknown signer may be one whose key is still on its way.
    pub(crate) first: bool,
    /// Whose work it is, when that is collected.
    pub(crate) trace: Option<String>,
}

/// Says what is to be done with one accepted action.
enum Verdict {
    /// It may run at its time.
    Run(Order),
    /// It will never run; the reason is told.
    Refuse(String),
    /// A signer is not known here yet, but may be soon.
    Wait,
}

impl App {
    /// Makes a run of each accepted action whose signatures hold against this service's own keys; the others become
    /// runs that are invalid, with the reason.
    ///
    /// While the copy of the keys is stale, the signatures are left to the launch, which verifies them in any case and
    /// does not happen on the word of a stale copy: so the action can be withdrawn, and ends in time, however long
    /// investigation-api is away.
    pub(crate) async fn take_actions(&self, accepted: Vec<Accepted>) -> Result<(), Error> {
        let now = self.clock.now();
        let keyring = self.replica.is_fresh(now).then(|| self.replica.current());
        // that takes a while, beside the event loops
        let judging = tokio::task::spawn_blocking(move || {
            let judged = accepted.into_iter();
            judged.map(|one| (judge(&one, keyring.as_deref(), now), one)).collect::<Vec<_>>()
        });
        let judged =
            judging.await.map_err(|stopped| Error::Store(Failure::Internal(stopped.into())))?;
        let waits = judged.iter().any(|(verdict, _)| matches!(verdict, Verdict::Wait));
        let ids: Vec<Uuid> = judged
            .iter()
            .filter(|(verdict, _)| !matches!(verdict, Verdict::Wait))
            .map(|(_, accepted)| accepted.event.id)
            .collect();
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let new: HashSet<Uuid> = inbox::admit(conn, CONSUMER, &ids, now).await?;
                for (verdict, accepted) in
                    judged.iter().filter(|(_, accepted)| new.contains(&accepted.event.id))
                {
                    let event = &accepted.event;
                    let (order, over) = match verdict {
                        Verdict::Run(order) => (order.clone(), None),
                        Verdict::Refuse(reason) => (
                            Order::none(event.data.at),
                            Some((RunStatus::Invalid, reason.as_str())),
                        ),
                        Verdict::Wait => continue,
                    };
                    let ActionAccepted { id, document, .. } = &event.data;
                    let made = run_insert(conn, *id, document, &order, over, now).await?;
                    let new = made.is_some();
                    if let Some(trace) = accepted.trace.as_deref().filter(|_| made.is_some()) {
                        run_keep_trace(conn, *id, trace).await?;
                    }
                    if let Some(run) = made.filter(|_| over.is_some()) {
                        self.bus.put(conn, now, &run.changed(now)).await?;
                    }
                    let wanted = self.link_action(conn, &event.data).await?;
                    // what is not new was posted by hand, and is wanted by whoever did
                    if new && !wanted {
                        let why = "the playbook that proposed it goes on without it".to_owned();
                        self.cancel_action(conn, *id, why, now).await?;
                    }
                }
                Ok(())
            })
            .await?;
        self.bus.wake();
        self.due.notify_one();
        if waits { Err(Error::NotYet("a signer is not known here yet")) } else { Ok(()) }
    }
}

/// Judges an action; its signatures only with the keys at hand.
fn judge(accepted: &Accepted, keyring: Option<&Keyring>, now: OffsetDateTime) -> Verdict {
    let event = &accepted.event;
    let action = match Action::parse(event.data.document.as_bytes()) {
        Ok(action) => action,
        Err(error) => return Verdict::Refuse(error.to_string()),
    };
    // the time of acceptance counts: one that ran out on its way here is expired by its own run
    if let Err(fault) = action.check(event.data.at.min(now)) {
        return Verdict::Refuse(fault.to_string());
    }
    if let Err(error) = fleet::parse_target(&action.target) {
        return Verdict::Refuse(format!("target: {error}"));
    }
    if let Some(Err(fault)) = event.data.dispatch.as_ref().map(Dispatch::check) {
        return Verdict::Refuse(format!("dispatch{}: {fault}", fault.pointer));
    }
    match keyring.map(|keyring| keyring.verify_action(&action, now)) {
        None | Some(Ok(_)) => Verdict::Run(Order::of(&action, event.data.dispatch.clone())),
        Some(Err(error)) if accepted.first && error.is_unknown_signer() => Verdict::Wait,
        Some(Err(error)) => Verdict::Refuse(format!("signature: {error}")),
    }
}
