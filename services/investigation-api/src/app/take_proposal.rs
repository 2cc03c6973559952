//! Answers a playbook that wants a signed action to run.

use super::App;
use super::accept_action::{Kept, Post, keep_order};
use crate::domain::audit::Actor;
use crate::domain::dispatch;
use crate::domain::order::Order;
use crate::error::Error;
use crate::store::actions::{ActionRow, documents_find};
use messaging::inbox;
use time::OffsetDateTime;
use types::messages::{ActionAccepted, ActionProposed, ActionRefused};
use types::{ActionId, Dispatch, Envelope, InvestigatorId, Permission, Permissions};

const CONSUMER: &str = "investigation-api.proposals";

/// Says whose word counts for a proposal.
struct Proposal {
    order: Order,
    dispatch: Option<Dispatch>,
    posted_by: InvestigatorId,
}

impl App {
    /// Judges a proposed action as one that is posted: it is accepted, or refused with the reason, in the transaction
    /// that notes the message. Who signed it and may create actions has posted it. One that is there already is
    /// answered with its number.
    pub(crate) async fn take_proposal(
        &self,
        event: &Envelope<ActionProposed>,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        if !self.replica.is_fresh(now) {
            return Err(Error::NotYet("the investigators were not read for too long"));
        }
        let document = &event.data.document;
        let mut judged = self.judge_proposal(document, now).await;
        if matches!(&judged, Err(Error::Signature(error)) if error.is_unknown_signer()) {
            // another process may have let the signer in just now
            self.reread_investigators().await?;
            judged = self.judge_proposal(document, now).await;
        }
        if let Err(error @ (Error::Store(_) | Error::Busy | Error::NotYet(_))) = judged {
            return Err(error);
        }
        let keyring = self.replica.current();
        let name = |id| keyring.get(id).map(|state| state.name.clone()).unwrap_or_default();
        let posted_by = judged.as_ref().ok().map(|proposal| proposal.posted_by);
        let execution = event.data.execution_id;
        let actor = Actor {
            id: posted_by,
            who: posted_by.map(name).unwrap_or_default(),
            address: format!("execution {execution}"),
        };
        let new = self.answer_proposal(event, &judged, &actor, now).await?;
        self.bus.wake();
        if let (true, Err(error)) = (new, &judged) {
            let subject = format!("execution {execution}");
            self.note_refusal(&actor, "action.accepted", &subject, error);
        }
        Ok(())
    }

    async fn judge_proposal(&self, document: &str, now: OffsetDateTime) -> Result<Proposal, Error> {
        let keyring = self.replica.current();
        let order = self.judge(document, now).await?;
        let dispatch = dispatch::read(document)?;
        let permitted = |id: &&InvestigatorId| {
            let state = keyring.get(**id);
            state.is_some_and(|state| Permissions(state.permissions).has(Permission::ActionCreate))
        };
        let posted_by = order.signers.iter().find(permitted).copied().ok_or_else(|| {
            let wanted = Permission::ActionCreate.name();
            Error::Denied(format!("nobody who signed has the permission {wanted:?}"))
        })?;
        self.check_reach(&order, now).await?;
        Ok(Proposal { order, dispatch, posted_by })
    }

    /// Answers a message once; tells whether it is new.
    async fn answer_proposal(
        &self,
        event: &Envelope<ActionProposed>,
        judged: &Result<Proposal, Error>,
        actor: &Actor,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        let ActionProposed { document, execution_id, step } = &event.data;
        let (execution_id, step) = (*execution_id, *step);
        self.store
            .tx(async |conn| -> Result<bool, Error> {
                if inbox::admit(conn, CONSUMER, &[event.id], now).await?.is_empty() {
                    return Ok(false);
                }
                let Proposal { order, dispatch, posted_by } = match judged {
                    Ok(proposal) => proposal,
                    Err(error) => {
                        let refused =
                            ActionRefused { execution_id, step, reason: error.to_string() };
                        self.bus.put(conn, now, &refused).await?;
                        return Ok(true);
                    }
                };
                let post =
                    Post { document, dispatch: dispatch.as_ref(), posted_by: *posted_by, actor };
                let accepted = match keep_order(conn, order, &post, now).await? {
                    Kept::New(event) => event,
                    Kept::There(there) => {
                        let document = documents_find(conn, &[there.id]).await?;
                        again(&there, document.into_values().collect(), *posted_by)
                    }
                };
                tracing::info!(action.id = %accepted.id, execution.id = %execution_id, "accepted");
                let accepted = ActionAccepted {
                    execution_id: Some(execution_id),
                    step: Some(step),
                    ..accepted
                };
                self.bus.put(conn, now, &accepted).await?;
                Ok(true)
            })
            .await
    }
}

/// Tells of an action that was accepted before: it runs once, whoever is told of it how often.
fn again(there: &ActionRow, document: String, posted_by: InvestigatorId) -> ActionAccepted {
    ActionAccepted {
        id: ActionId(there.id),
        document,
        posted_by,
        at: there.created,
        dispatch: there.dispatch(),
        execution_id: None,
        step: None,
    }
}
