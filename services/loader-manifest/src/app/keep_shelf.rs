//! Keeps in memory which manifests may be given out. What is kept counts only while nothing has changed: the tables,
//! which every loader's row tells; the investigators; and the time, by which keys expire.

use super::{App, beside};
use crate::domain::shelf::{File, Shelf, Shelved, Signature, counting};
use crate::domain::text::parse_target;
use crate::error::Error;
use crate::store::manifests::{Manifest, files_of, manifests_page, revision};
use crate::store::signatures::signatures_of;
use arc_swap::ArcSwapOption;
use auth::Keyring;
use std::collections::BTreeMap;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;
use types::{ManifestId, ManifestStatus};

/// Says how long signatures are not verified again.
const VERIFIED_FOR: Duration = Duration::seconds(60);
/// Says how long one waits while another makes the shelf.
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(10);
/// Says how many active manifests are looked at, the newest first.
const MOST: i64 = 1000;

/// Holds the shelf, and what it was made of.
#[derive(Default)]
pub(super) struct Kept {
    made: ArcSwapOption<Made>,
    turn: Mutex<()>,
}

struct Made {
    shelf: Arc<Shelf>,
    revision: i64,
    keyring: Arc<Keyring>,
    at: OffsetDateTime,
}

impl Kept {
    fn get(
        &self,
        revision: i64,
        keyring: &Arc<Keyring>,
        now: OffsetDateTime,
    ) -> Option<Arc<Shelf>> {
        let made = self.made.load();
        let made = made.as_ref()?;
        let good = made.revision >= revision
            && Arc::ptr_eq(&made.keyring, keyring)
            && now >= made.at
            && now - made.at < VERIFIED_FOR;
        good.then(|| Arc::clone(&made.shelf))
    }
}

impl App {
    /// Gives the manifests that may be given out, at least as new as `revision`.
    pub(super) async fn shelf(&self, revision: i64) -> Result<Arc<Shelf>, Error> {
        let (keyring, now) = (self.replica.current(), self.clock.now());
        if let Some(shelf) = self.kept.get(revision, &keyring, now) {
            return Ok(shelf);
        }
        let turn = tokio::time::timeout(LONGEST_WAIT, self.kept.turn.lock()).await;
        let _turn = turn.map_err(|_late| Error::Busy)?;
        // another may have made it meanwhile
        if let Some(shelf) = self.kept.get(revision, &keyring, now) {
            return Ok(shelf);
        }
        let made = Arc::new(self.make_shelf(keyring, now).await?);
        let shelf = Arc::clone(&made.shelf);
        self.kept.made.store(Some(made));
        Ok(shelf)
    }

    async fn make_shelf(&self, keyring: Arc<Keyring>, now: OffsetDateTime) -> Result<Made, Error> {
        let (revision, active, files, signatures) = {
            let mut conn = self.store.get().await?;
            // first: what is read afterwards is this or newer
            let revision = revision(&mut conn).await?;
            let active =
                manifests_page(&mut conn, &[ManifestStatus::Active], i64::MAX, MOST).await?;
            if i64::try_from(active.len()).is_ok_and(|count| count >= MOST) {
                tracing::error!(
                    most = MOST,
                    "there are more active manifests than are given out; disable old ones"
                );
            }
            let ids: Vec<i64> = active.iter().map(|manifest| manifest.id.0).collect();
            let files = group(files_of(&mut conn, &ids).await?);
            let signatures = group(signatures_of(&mut conn, &ids).await?);
            (revision, active, files, signatures)
        };
        let (ring, required) = (Arc::clone(&keyring), self.required());
        let manifests =
            beside(move || verified(&ring, active, files, signatures, required, now)).await?;
        let manifests = manifests.into_iter().map(Arc::new).collect();
        Ok(Made { shelf: Arc::new(Shelf { manifests }), revision, keyring, at: now })
    }
}

/// Leaves those that have their signers now.
fn verified(
    keyring: &Keyring,
    active: Vec<Manifest>,
    mut files: BTreeMap<ManifestId, Vec<File>>,
    mut signatures: BTreeMap<ManifestId, Vec<Signature>>,
    required: usize,
    now: OffsetDateTime,
) -> Vec<Shelved> {
    let shelved = active.into_iter().filter_map(|manifest| {
        let files = without_archive(files.remove(&manifest.id).unwrap_or_default());
        let signatures = signatures.remove(&manifest.id).unwrap_or_default();
        // the others' signatures are not shown to loaders either: one that they cannot verify makes them stop
        let signatures = counting(keyring, &files, &signatures, now);
        if signatures.len() < required {
            return None;
        }
        let target = match parse_target(&manifest.target) {
            Ok(target) => target,
            Err(error) => {
                tracing::error!(manifest.id = %manifest.id, %error, "a stored target does not parse");
                return None;
            }
        };
        let Manifest { id, name, expires, digest, rollback_to, .. } = manifest;
        Some(Shelved { id, name, target, expires, digest, rollback_to, files, signatures })
    });
    shelved.collect()
}

/// Puts what belongs to one manifest together, in its order.
pub(super) fn group<T>(rows: Vec<(ManifestId, T)>) -> BTreeMap<ManifestId, Vec<T>> {
    let mut groups: BTreeMap<ManifestId, Vec<T>> = BTreeMap::new();
    for (manifest, row) in rows {
        groups.entry(manifest).or_default().push(row);
    }
    groups
}

/// Gives the files that are signed: all but the archive they came in.
pub(super) fn without_archive(files: Vec<File>) -> Vec<File> {
    files.into_iter().filter(|file| file.position > 0).collect()
}
