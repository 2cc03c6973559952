//! Shows manifests.

use super::keep_shelf::group;
use super::sign_manifest::signatures;
use super::{App, beside};
use crate::domain::shelf::{File, Signature, counting};
use crate::error::Error;
use crate::store::chunks::chunk_read;
use crate::store::manifests::{Manifest, files_of, manifest_find, manifests_page};
use crate::store::signatures::signatures_of;
use types::{ManifestId, ManifestStatus};

/// Is a manifest with all but its bytes.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) manifest: Manifest,
    /// The archive as it came.
    pub(crate) archive: Option<File>,
    pub(crate) files: Vec<File>,
    pub(crate) signatures: Vec<Signature>,
    /// How many signers count now.
    pub(crate) signers: usize,
}

impl App {
    /// Gives a manifest.
    pub(crate) async fn show_manifest(&self, id: ManifestId) -> Result<Whole, Error> {
        let mut conn = self.store.get().await?;
        let manifest = manifest_find(&mut conn, id).await?;
        let manifest =
            manifest.ok_or_else(|| Error::NotFound(format!("Manifest ID '{id}' not found")))?;
        let files = files_of(&mut conn, &[id.0]).await?.into_iter().map(|(_, file)| file).collect();
        let signatures = signatures(&mut conn, id).await?;
        drop(conn);
        let mut whole = self.whole(vec![(manifest, files, signatures)]).await?;
        whole.pop().ok_or_else(|| Error::internal(anyhow::anyhow!("manifest {id} got lost")))
    }

    /// Gives up to `limit` manifests, the newest first.
    pub(crate) async fn list_manifests(
        &self,
        states: &[ManifestStatus],
        before: i64,
        limit: i64,
    ) -> Result<Vec<Whole>, Error> {
        let mut conn = self.store.get().await?;
        let page = manifests_page(&mut conn, states, before, limit).await?;
        let ids: Vec<i64> = page.iter().map(|manifest| manifest.id.0).collect();
        let mut files = group(files_of(&mut conn, &ids).await?);
        let mut signatures = group(signatures_of(&mut conn, &ids).await?);
        drop(conn);
        let parts = page.into_iter().map(|manifest| {
            let files = files.remove(&manifest.id).unwrap_or_default();
            let signatures = signatures.remove(&manifest.id).unwrap_or_default();
            (manifest, files, signatures)
        });
        self.whole(parts.collect()).await
    }

    /// Counts the signers of each.
    async fn whole(
        &self,
        parts: Vec<(Manifest, Vec<File>, Vec<Signature>)>,
    ) -> Result<Vec<Whole>, Error> {
        let (keyring, now) = (self.replica.current(), self.clock.now());
        let count = move |(manifest, files, signatures): (Manifest, Vec<File>, Vec<Signature>)| {
            let (mut archives, files): (Vec<_>, Vec<_>) =
                files.into_iter().partition(|file| file.position == 0);
            let signers = counting(&keyring, &files, &signatures, now).len();
            Whole { manifest, archive: archives.pop(), files, signatures, signers }
        };
        beside(move || parts.into_iter().map(count).collect()).await
    }

    /// Reads one piece of a file's gzip'd content; nothing behind its end.
    pub(crate) async fn read_chunk(
        &self,
        manifest: ManifestId,
        position: i32,
        chunk: i32,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut conn = self.store.get().await?;
        Ok(chunk_read(&mut conn, manifest, position, chunk).await?)
    }
}
