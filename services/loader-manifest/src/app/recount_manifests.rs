//! Counts signers anew when people change or keys expire, so that what the table says of a manifest is what loaders are
//! given.

use super::keep_shelf::group;
use super::sign_manifest::files;
use super::{App, beside};
use crate::app::keep_shelf::without_archive;
use crate::domain::shelf::counting;
use crate::error::Error;
use crate::store::manifests::{files_of, manifest_lock, manifests_page};
use crate::store::signatures::{manifests_signed, signatures_of};
use auth::Keyring;
use std::sync::Arc;
use time::OffsetDateTime;
use types::messages::InvestigatorChanged;
use types::{InvestigatorId, ManifestId, ManifestStatus};

/// Says how many manifests are looked at at once.
const AT_ONCE: i64 = 100;

impl App {
    /// Counts anew what these investigators have signed; what the message says of them is known here from now on.
    pub(crate) async fn hear_investigators(
        &self,
        states: &[InvestigatorChanged],
    ) -> Result<(), Error> {
        self.replica.learn(states);
        let signers: Vec<InvestigatorId> = states.iter().map(|state| state.id).collect();
        self.recount(&signers).await
    }

    /// Counts anew what is signed by these, or by anyone when there is nobody in `signers`.
    pub(crate) async fn recount(&self, signers: &[InvestigatorId]) -> Result<(), Error> {
        let signers: Vec<i64> = signers.iter().map(|signer| signer.0).collect();
        let mut before = i64::MAX;
        loop {
            let (now, keyring) = (self.clock.now(), self.replica.current());
            let page = {
                let mut conn = self.store.get().await?;
                manifests_signed(&mut conn, &signers, before, AT_ONCE).await?
            };
            let Some(last) = page.last() else { return Ok(()) };
            before = last.0;
            for id in self.misjudged(&page, &keyring, now).await? {
                self.recount_one(id, &keyring, now).await?;
            }
        }
    }

    /// Finds those whose status is not what their signers make it.
    async fn misjudged(
        &self,
        page: &[ManifestId],
        keyring: &Arc<Keyring>,
        now: OffsetDateTime,
    ) -> Result<Vec<ManifestId>, Error> {
        let ids: Vec<i64> = page.iter().map(|id| id.0).collect();
        let (mut files, mut signatures, active) = {
            let mut conn = self.store.get().await?;
            let files = group(files_of(&mut conn, &ids).await?);
            let signatures = group(signatures_of(&mut conn, &ids).await?);
            let top = ids.first().map_or(0, |top| top.saturating_add(1));
            let active = manifests_page(&mut conn, &[ManifestStatus::Active], top, AT_ONCE).await?;
            (files, signatures, active)
        };
        let (keyring, page, required) = (Arc::clone(keyring), page.to_vec(), self.required());
        let is_wrong = move |id: &ManifestId| {
            let files = without_archive(files.remove(id).unwrap_or_default());
            let signatures = signatures.remove(id).unwrap_or_default();
            let enough = counting(&keyring, &files, &signatures, now).len() >= required;
            enough != active.iter().any(|manifest| manifest.id == *id)
        };
        beside(move || page.into_iter().filter(is_wrong).collect()).await
    }

    async fn recount_one(
        &self,
        id: ManifestId,
        keyring: &Arc<Keyring>,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let Some(manifest) = manifest_lock(conn, id).await? else { return Ok(()) };
                if manifest.status == ManifestStatus::Disabled {
                    return Ok(());
                }
                let files = files(conn, id).await?;
                let (settled, _) = self.settle(conn, id, files, keyring, now).await?;
                tracing::info!(manifest.id = %id, status = settled.status.name(), "manifest's signers counted anew");
                Ok(())
            })
            .await?;
        self.bus.wake();
        Ok(())
    }
}
