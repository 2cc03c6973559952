//! Stores, shows and deletes playbooks.

use super::App;
use super::trigger_playbook::unknown;
use crate::domain::playbook::Playbook;
use crate::error::Error;
use crate::store::playbooks::{
    PlaybookRow, document_get, document_insert, playbook_delete, playbook_get, playbook_insert,
    playbooks_list, playbooks_newest,
};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// Says what becomes of the versions that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Versions {
    /// A newer version joins them; the same text again changes nothing.
    Join,
    /// There must be none: SOARCA's `POST`.
    None,
    /// There must be one; the same version is replaced: SOARCA's `PUT`.
    Replace,
}

impl App {
    /// Stores a playbook, byte for byte as it came; tells whether it is new.
    pub(crate) async fn keep_playbook(
        &self,
        playbook: &Playbook,
        document: &str,
        versions: Versions,
        by: Option<i64>,
    ) -> Result<(PlaybookRow, bool), Error> {
        let now = self.clock.now();
        let digest = Sha256::digest(document).to_vec();
        self.store
            .tx(async |conn| -> Result<(PlaybookRow, bool), Error> {
                let there = playbook_get(conn, &playbook.id, None).await?;
                match (versions, &there) {
                    (Versions::None, Some(_)) => {
                        let detail = "Provided duplicate playbook, already in database";
                        return Err(Error::Conflict(detail.into()));
                    }
                    (Versions::Replace, None) => return Err(unknown(&playbook.id, None)),
                    _ => {}
                }
                let version = Some(playbook.modified);
                if let Some(same) = playbook_get(conn, &playbook.id, version).await? {
                    if same.digest == digest {
                        return Ok((same, false));
                    }
                    if versions != Versions::Replace {
                        return Err(Error::Conflict(format!(
                            "there is another playbook {} that was modified at {}; a new version needs a new `modified`",
                            playbook.id, playbook.modified
                        )));
                    }
                    playbook_delete(conn, &playbook.id, version, now).await?;
                }
                document_insert(conn, &digest, document).await?;
                let row = playbook_insert(conn, playbook, &digest, by, now).await?;
                let row = row.ok_or_else(|| Error::Conflict("the same playbook is being stored; try again".into()))?;
                Ok((row, true))
            })
            .await
    }

    /// Gives a stored playbook and its text.
    pub(crate) async fn show_playbook(
        &self,
        id: &str,
        version: Option<OffsetDateTime>,
    ) -> Result<(PlaybookRow, String), Error> {
        let mut conn = self.store.get().await?;
        let row =
            playbook_get(&mut conn, id, version).await?.ok_or_else(|| unknown(id, version))?;
        let document = document_get(&mut conn, &row.digest).await?;
        Ok((row, document))
    }

    /// Lists versions, oldest first.
    pub(crate) async fn list_playbooks(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<PlaybookRow>, Error> {
        let mut conn = self.store.get().await?;
        Ok(playbooks_list(&mut conn, after, limit).await?)
    }

    /// Lists the newest versions of the playbooks behind the one with the id `after`, in the order of their ids.
    pub(crate) async fn list_newest(
        &self,
        after: &str,
        limit: i64,
    ) -> Result<Vec<PlaybookRow>, Error> {
        let mut conn = self.store.get().await?;
        Ok(playbooks_newest(&mut conn, after, limit).await?)
    }

    /// Gives the text of a version.
    pub(crate) async fn show_document(&self, row: &PlaybookRow) -> Result<String, Error> {
        let mut conn = self.store.get().await?;
        Ok(document_get(&mut conn, &row.digest).await?)
    }

    /// Deletes a playbook, or one version of it; executions go on with theirs.
    pub(crate) async fn delete_playbook(
        &self,
        id: &str,
        version: Option<OffsetDateTime>,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let mut conn = self.store.get().await?;
        match playbook_delete(&mut conn, id, version, now).await? {
            0 => Err(unknown(id, version)),
            _ => Ok(()),
        }
    }
}
