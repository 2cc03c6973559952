//! Shows loaders.

use super::App;
use crate::domain::text::parse_target;
use crate::error::Error;
use crate::store::loaders::{BriefRow, LoaderRow, loader_find, loaders_matching, loaders_page};
use crate::store::manifests::manifest_find;
use target::Columns;
use types::{LoaderId, ManifestId, ManifestStatus};

/// Says how many loaders one statement finds.
const AT_ONCE: i64 = 1000;
/// Says how many loaders one list shows at most.
const MOST: usize = 100_000;

impl App {
    /// Gives a loader.
    pub(crate) async fn show_loader(&self, id: LoaderId) -> Result<LoaderRow, Error> {
        let mut conn = self.store.get().await?;
        let found = loader_find(&mut conn, id).await?;
        found.ok_or_else(|| Error::NotFound(format!("Loader ID '{id}' not found")))
    }

    /// Gives up to `limit` loaders by id.
    pub(crate) async fn list_loaders(
        &self,
        after: i64,
        limit: i64,
    ) -> Result<Vec<LoaderRow>, Error> {
        let mut conn = self.store.get().await?;
        Ok(loaders_page(&mut conn, after, limit).await?)
    }

    /// Gives in brief the enabled loaders that a manifest is for; it must not be disabled.
    pub(crate) async fn match_loaders(&self, id: ManifestId) -> Result<Vec<BriefRow>, Error> {
        let mut conn = self.store.get().await?;
        let manifest = manifest_find(&mut conn, id).await?;
        let manifest =
            manifest.ok_or_else(|| Error::NotFound(format!("Manifest ID '{id}' not found")))?;
        let none = || Error::NotFound(format!("No matching loaders for manifest '{id}'"));
        if manifest.status == ManifestStatus::Disabled {
            return Err(none());
        }
        let target = parse_target(&manifest.target).map_err(|_target| none())?;
        let now = self.clock.now();
        let mut found: Vec<BriefRow> = Vec::new();
        loop {
            let after = found.last().map_or(0, |row| row.id);
            let sql = target.to_sql_at(&Columns::loaders(), 3, now);
            let page = loaders_matching(&mut conn, sql, after, AT_ONCE).await?;
            if page.is_empty() || found.len() >= MOST {
                return Ok(found);
            }
            found.extend(page);
        }
    }
}
