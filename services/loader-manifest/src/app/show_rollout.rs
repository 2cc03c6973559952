//! Shows which loaders have a manifest, which are behind, which do not get there, and for which it is over.

use super::App;
use crate::domain::text::parse_target;
use crate::error::Error;
use crate::store::deliveries::{Course, RolloutRow, rollout_counts, rollout_page, states};
use crate::store::manifests::{Manifest, manifest_find, manifest_led_to, order_to};
use target::{Columns, Sql};
use time::OffsetDateTime;
use types::{ManifestId, ManifestStatus};

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
        let now = self.clock.now();
        let (given, newest) = if manifest.rollback_to.is_some() {
            (manifest_led_to(&mut conn, &manifest).await?, id)
        } else {
            let newest = order_to(&mut conn, &manifest, now).await?.unwrap_or(id);
            (Some(manifest.clone()), newest)
        };
        let course = Course {
            is_order: manifest.rollback_to.is_some(),
            given: given.as_ref().map(|given| given.id),
            newest,
            name: manifest.name.clone(),
            is_over: manifest.status == ManifestStatus::Disabled
                || manifest.expires.is_some_and(|end| end <= now),
            now,
            target: target(&manifest, given.as_ref(), now)?,
        };
        let counts = rollout_counts(&mut conn, &course).await?;
        let rows = rollout_page(&mut conn, &course, state, (after, limit)).await?;
        Ok((counts, rows))
    }
}

/// Writes for whom a manifest is; an order to go back is for those only who may have what it leads to.
fn target(
    manifest: &Manifest,
    given: Option<&Manifest>,
    now: OffsetDateTime,
) -> Result<Sql, Error> {
    let write = |text: &str, first| -> Result<Sql, Error> {
        let target = parse_target(text).map_err(Error::internal)?;
        Ok(target.to_sql_at(&Columns::loaders(), first, now))
    };
    let mut sql = write(&manifest.target, Course::FIRST_BIND)?;
    if let Some(given) = given.filter(|given| given.id != manifest.id) {
        let more = write(&given.target, Course::FIRST_BIND + sql.binds.len())?;
        sql.text = format!("{} and {}", sql.text, more.text);
        sql.binds.extend(more.binds);
    }
    Ok(sql)
}
