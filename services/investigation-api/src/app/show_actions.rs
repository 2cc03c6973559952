//! Shows actions with how their runs stand.

use super::App;
use crate::domain::state::{counters, mig_run_status, shown_status};
use crate::error::Error;
use crate::store::actions::{ActionRow, actions_find, actions_page, documents_find, signers_find};
use crate::store::counts::counts_find;
use std::collections::BTreeMap;
use store::Conn;
use types::action::Counters;
use types::api::action::{ActionView, CommandCounters, DispatchView};
use types::investigator::Investigator;
use types::messages::InvestigatorChanged;
use types::{Action, ActionId, InvestigatorId, instant};

impl App {
    /// Shows one action as `/v1/actions` does.
    pub(crate) async fn show_action(&self, id: ActionId) -> Result<ActionView, Error> {
        let mut conn = self.store.get().await?;
        let rows = actions_find(&mut conn, &[id.0]).await?;
        let mut views = self.views(&mut conn, rows).await?;
        views.pop().ok_or_else(|| Error::NotFound(format!("action {id}")))
    }

    /// Shows the newest actions, or those before one.
    pub(crate) async fn list_actions(
        &self,
        before: Option<i64>,
        rows: i64,
    ) -> Result<Vec<ActionView>, Error> {
        let mut conn = self.store.get().await?;
        let rows = actions_page(&mut conn, before, rows).await?;
        self.views(&mut conn, rows).await
    }

    pub(super) async fn views(
        &self,
        conn: &mut Conn,
        rows: Vec<ActionRow>,
    ) -> Result<Vec<ActionView>, Error> {
        let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        let counts = counts_find(conn, &ids).await?;
        let signers = self.signers(conn, &ids).await?;
        let views = rows.into_iter().map(|row| {
            let counters = counters(counts.get(&row.id).map_or(&[], Vec::as_slice));
            let dispatch =
                row.dispatch().map(|asked| DispatchView { asked, wave: row.wave, held: row.held });
            ActionView {
                id: ActionId(row.id),
                status: shown_status(&row.status, row.targeted, &counters).into(),
                name: row.name,
                target: row.target,
                reason: row.reason,
                valid_from: row.valid_from,
                expire_after: row.expire_after,
                created: row.created,
                started: row.started,
                finished: row.finished,
                signers: signers
                    .get(&row.id)
                    .map(|signers| {
                        signers.iter().map(|signer| signer.pgpfingerprint.clone()).collect()
                    })
                    .unwrap_or_default(),
                counters,
                dispatch,
            }
        });
        Ok(views.collect())
    }

    /// Shows actions as MIG's clients read them, by number; those that do not exist are left out.
    pub(crate) async fn mig_actions(
        &self,
        conn: &mut Conn,
        ids: &[i64],
    ) -> Result<BTreeMap<i64, Action>, Error> {
        let rows = actions_find(conn, ids).await?;
        let mut documents = documents_find(conn, ids).await?;
        let counts = counts_find(conn, ids).await?;
        let mut signers = self.signers(conn, ids).await?;
        let actions = rows.into_iter().map(|row| {
            let counters = counters(counts.get(&row.id).map_or(&[], Vec::as_slice));
            let signers = signers.remove(&row.id).unwrap_or_default();
            let document = documents.remove(&row.id).unwrap_or_default();
            (row.id, mig_action(&row, &document, counters, signers))
        });
        Ok(actions.collect())
    }

    /// Shows one action as MIG's clients read it.
    pub(crate) async fn mig_action(&self, id: ActionId) -> Result<Option<Action>, Error> {
        let mut conn = self.store.get().await?;
        Ok(self.mig_actions(&mut conn, &[id.0]).await?.remove(&id.0))
    }

    async fn signers(
        &self,
        conn: &mut Conn,
        actions: &[i64],
    ) -> Result<BTreeMap<i64, Vec<Investigator>>, Error> {
        let keyring = self.replica.current();
        let mut signers = BTreeMap::<i64, Vec<_>>::new();
        for row in signers_find(conn, actions).await? {
            if let Some(known) = keyring.get(InvestigatorId(row.investigator_id)) {
                signers.entry(row.action_id).or_default().push(shown_investigator(known));
            }
        }
        Ok(signers)
    }
}

/// Shows an investigator without keys.
pub(crate) fn shown_investigator(known: &InvestigatorChanged) -> Investigator {
    Investigator {
        id: Some(known.id),
        name: known.name.clone(),
        pgpfingerprint: known.fingerprint.clone().unwrap_or_default(),
        publickey: None,
        status: known.status.name().into(),
        createdat: known.created,
        lastmodified: known.modified,
        apikey: None,
        permissions: types::Permissions(known.permissions),
    }
}

fn mig_action(
    row: &ActionRow,
    document: &str,
    counters: CommandCounters,
    investigators: Vec<Investigator>,
) -> Action {
    // the document was read when it was accepted, so it can be read again
    let posted = Action::parse(document.as_bytes()).unwrap_or_default();
    let status = shown_status(&row.status, row.targeted, &counters);
    let done = counters.targeted - counters.waiting - counters.delivered;
    Action {
        id: ActionId(row.id),
        status: mig_run_status(status).into(),
        starttime: instant::or_none(row.started),
        finishtime: instant::or_far(row.finished.filter(|_| status == row.status)),
        lastupdatetime: row.updated,
        counters: Counters {
            sent: counters.targeted,
            done,
            inflight: counters.waiting + counters.delivered,
            success: counters.success,
            cancelled: counters.cancelled,
            expired: counters.expired,
            failed: counters.failed,
            timeout: counters.timeout,
        },
        investigators,
        ..posted
    }
}
