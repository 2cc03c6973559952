//! Shows which loaders have a manifest, which are behind, which do not get there.

use super::App;
use crate::domain::text::parse_target;
use crate::error::Error;
use crate::store::deliveries::{RolloutRow, rollout_counts, rollout_page, states};
use crate::store::manifests::manifest_find;
use target::Columns;
use types::ManifestId;

impl App {
    /// Gives the counts of all states and up to `limit` loaders by id.
    pub(crate) async fn show_rollout(
        &self,
        id: ManifestId,
        state: Option<&str>,
        after: i64,
        limit: i64,
    ) -> Result<(Vec<(String, i64)>, Vec<RolloutRow>), Error> {
        if let Some(state) = state
            && !states().any(|known| known == state)
        {
            let known = states().collect::<Vec<_>>().join(", ");
            let detail = format!("{state:?} is none of {known}");
            return Err(Error::invalid("state-invalid", "?state", detail));
        }
        let mut conn = self.store.get().await?;
        let manifest = manifest_find(&mut conn, id).await?;
        let manifest =
            manifest.ok_or_else(|| Error::NotFound(format!("Manifest ID '{id}' not found")))?;
        let target = parse_target(&manifest.target).map_err(Error::internal)?;
        let sql = target.to_sql_at(&Columns::loaders(), 2, self.clock.now());
        let counts = rollout_counts(&mut conn, id, &sql).await?;
        let rows = rollout_page(&mut conn, id, &sql, state, (after, limit)).await?;
        Ok((counts, rows))
    }
}
