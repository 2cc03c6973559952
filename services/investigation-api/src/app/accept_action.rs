//! Accepts a signed action.

use super::App;
use crate::domain::audit::{Actor, Entry};
use crate::domain::order::{Order, judge};
use crate::error::Error;
use crate::store::actions::{ActionRow, action_insert};
use crate::store::audit::audit_append;
use crate::store::orders::{order_find, order_lock};
use store::Conn;
use time::OffsetDateTime;
use types::messages::ActionAccepted;
use types::{Action, ActionId, Dispatch, InvestigatorId};

/// Says what came of posting an action.
pub(crate) struct Accepted {
    /// The number.
    pub(crate) id: ActionId,
    /// What was posted, read.
    pub(crate) action: Action,
    /// Whether it is new; the same order posted again within its validity is the action there is.
    pub(crate) new: bool,
}

/// Says whether an action that would reach nobody now is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It is: it ends as invalid, as MIG's clients expect (specs/mig/captures/api/305).
    May,
    /// It is not, unless it starts later.
    Must,
}

impl App {
    /// Accepts `document`: its form, its target and all its signatures hold, or nothing is stored and nothing sent.
    pub(crate) async fn accept_action(
        &self,
        posted_by: InvestigatorId,
        actor: &Actor,
        document: &str,
        dispatch: Option<Dispatch>,
        reach: Reach,
    ) -> Result<Accepted, Error> {
        let accepted = self.judge_and_keep(posted_by, actor, document, dispatch, reach).await;
        accepted.inspect_err(|error| self.note_refusal(actor, "action.accepted", "", error))
    }

    async fn judge_and_keep(
        &self,
        posted_by: InvestigatorId,
        actor: &Actor,
        document: &str,
        dispatch: Option<Dispatch>,
        reach: Reach,
    ) -> Result<Accepted, Error> {
        let now = self.clock.now();
        let order = self.judge(document, now).await?;
        if reach == Reach::Must {
            self.check_reach(&order, now).await?;
        }
        let post = Post { document, dispatch: dispatch.as_ref(), posted_by, actor };
        let (id, new) = self
            .store
            .tx(async |conn| -> Result<(ActionId, bool), Error> {
                match keep_order(conn, &order, &post, now).await? {
                    Kept::New(event) => {
                        self.bus.put(conn, now, &event).await?;
                        Ok((event.id, true))
                    }
                    Kept::There(there) => {
                        same_dispatch(&there, dispatch.as_ref())?;
                        Ok((ActionId(there.id), false))
                    }
                }
            })
            .await?;
        self.bus.wake();
        if new {
            tracing::info!(action.id = %id, investigator.id = %posted_by, "accepted");
        }
        let Order { action, .. } = order;
        Ok(Accepted { id, action, new })
    }

    /// Judges a document beside the event loop: each of its signatures takes about a millisecond.
    pub(super) async fn judge(&self, document: &str, now: OffsetDateTime) -> Result<Order, Error> {
        let (document, keyring) = (document.to_owned(), self.replica.current());
        web::cpu(move || judge(&document, &keyring, now)).await.map_err(|_busy| Error::Busy)?
    }

    /// Refuses an order that no agent would get, or with a module that no agent has; not one that is there already.
    /// One that starts later is not judged: who is there then is not known now.
    pub(super) async fn check_reach(
        &self,
        order: &Order,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        if order.action.validfrom > now {
            return Ok(());
        }
        let operations: Vec<_> = order
            .action
            .operations
            .iter()
            .flatten()
            .map(|operation| operation.module.clone())
            .collect();
        let mut conn = self.store.get().await?;
        if order_find(&mut conn, order).await?.is_some() {
            return Ok(());
        }
        let unknown = fleet::unknown_modules(&mut conn, &operations).await?;
        if let Some(module) = unknown.first() {
            let at =
                operations.iter().position(|operation| operation == module).unwrap_or_default();
            let detail =
                format!("no agent has the module '{module}'; `GET /v1/agents` shows who has what");
            return Err(Error::invalid(
                "module-unknown",
                &format!("/operations/{at}/module"),
                detail,
            ));
        }
        if fleet::count(&mut conn, &order.target, now).await? == 0 {
            let detail =
                "no agent that is online or idle matches the target; preview it before you sign";
            return Err(Error::invalid("no-agent-matches", "/target", detail));
        }
        Ok(())
    }
}

/// Is how an order came.
pub(super) struct Post<'a> {
    /// The document, byte for byte.
    pub(super) document: &'a str,
    pub(super) dispatch: Option<&'a Dispatch>,
    pub(super) posted_by: InvestigatorId,
    pub(super) actor: &'a Actor,
}

/// Says whether an order is new.
pub(super) enum Kept {
    /// It is, and this is to be told.
    New(ActionAccepted),
    /// The same order was there.
    There(ActionRow),
}

/// Keeps an order, once.
pub(super) async fn keep_order(
    conn: &mut Conn,
    order: &Order,
    post: &Post<'_>,
    now: OffsetDateTime,
) -> Result<Kept, Error> {
    let Post { document, dispatch, posted_by, actor } = *post;
    order_lock(conn, order).await?;
    if let Some(there) = order_find(conn, order).await? {
        return Ok(Kept::There(there));
    }
    let row = action_insert(conn, order, document, dispatch, posted_by, now).await?;
    let id = ActionId(row.id);
    let entry =
        Entry::done(now, actor, "action.accepted", format!("action {id}"), &order.action.name);
    audit_append(conn, &[entry]).await?;
    Ok(Kept::New(ActionAccepted {
        id,
        document: document.into(),
        posted_by,
        at: now,
        dispatch: dispatch.cloned(),
        execution_id: None,
        step: None,
    }))
}

/// Refuses to take an action that is there already as one that is to be given out in another way. Without a dispatch,
/// the way of the first post stands.
fn same_dispatch(there: &ActionRow, asked: Option<&Dispatch>) -> Result<(), Error> {
    if asked.is_none() || asked == there.dispatch().as_ref() {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "action {} was posted before with another dispatch, which stands; pause, resume or cancel it",
        there.id
    )))
}
