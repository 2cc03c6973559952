//! People author plugins and teams.

use super::App;
use crate::domain::{plugin, text};
use crate::error::Error;
use crate::store::plugins::{self, NewRow};
use crate::store::teams::{self, Team};
use std::collections::BTreeMap;
use types::InvestigatorId;
use types::api::plugin::{NewPlugin, PluginView};
use uuid::Uuid;

const TEAM_NAME_BYTES: usize = 1_024;

impl App {
    /// Publishes a plugin for good; a change is another plugin with another id.
    pub(crate) async fn publish_plugin(
        &self,
        new: NewPlugin,
        by: InvestigatorId,
    ) -> Result<PluginView, Error> {
        let faults = plugin::check(&new);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let functions: BTreeMap<_, _> =
            new.commands.into_iter().map(|(name, command)| (name, command.function)).collect();
        let row = NewRow {
            id: Uuid::now_v7(),
            name: new.name,
            version: new.version,
            description: new.description,
            hash: plugin::hash(&new.script),
            script: new.script,
            commands: serde_json::to_value(functions)
                .map_err(|error| Error::Internal(error.into()))?,
            published: self.clock.now(),
            published_by: by.0,
        };
        let view = plugins::plugin_insert(&mut *self.store.get().await?, &row).await?;
        tracing::info!(plugin.id = %view.id, plugin.name = view.name, investigator.id = %by, "plugin published");
        Ok(view)
    }

    /// Makes a team.
    pub(crate) async fn create_team(&self, name: String) -> Result<Team, Error> {
        let mut faults = Vec::new();
        text::check(&mut faults, "/name", &name, 1..=TEAM_NAME_BYTES);
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let team = Team { id: Uuid::now_v7(), name, created: self.clock.now() };
        teams::team_insert(&mut *self.store.get().await?, &team).await?;
        Ok(team)
    }
}
