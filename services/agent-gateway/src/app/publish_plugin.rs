//! People author plugins and teams.

use super::App;
use crate::domain::plugin::{Checked, MOST_SIGNATURES};
use crate::domain::{plugin, text};
use crate::error::Error;
use crate::store::plugins::{self, NewRow};
use crate::store::signatures::{self, NewSignature};
use crate::store::teams::{self, Team};
use std::collections::BTreeMap;
use types::api::plugin::{PluginVersion, PluginView};
use types::api::problem::Fault;
use types::{InvestigatorId, PluginId};
use uuid::Uuid;

const TEAM_NAME_BYTES: usize = 1_024;

impl App {
    /// Publishes a plugin for good; a change is another plugin with another id.
    pub(crate) async fn publish_plugin(
        &self,
        new: Checked,
        by: InvestigatorId,
    ) -> Result<PluginView, Error> {
        let Checked { plugin: new, parameters } = new;
        let now = self.clock.now();
        let id = Uuid::now_v7();
        let hash = plugin::hash(&new.script);
        let mut signatures = Vec::with_capacity(new.signatures.len());
        for (at, signature) in new.signatures.into_iter().enumerate() {
            signatures.push(self.verify(id, &hash, signature, &format!("/signatures/{at}"))?);
        }
        let functions: BTreeMap<_, _> =
            new.commands.into_iter().map(|(name, command)| (name, command.function)).collect();
        let row = NewRow {
            id,
            name: new.name,
            version_is_number: matches!(new.version, PluginVersion::Number(_)),
            version: new.version.to_string(),
            description: new.description,
            hash,
            script: new.script,
            commands: serde_json::to_value(functions)
                .map_err(|error| Error::Internal(error.into()))?,
            parameters: serde_json::to_value(parameters)
                .map_err(|error| Error::Internal(error.into()))?,
            published: now,
            published_by: by.0,
        };
        let view = self
            .store
            .tx(async |conn| {
                plugins::plugin_insert(conn, &row).await?;
                signatures::signatures_insert(conn, &signatures).await?;
                plugins::plugin_view(conn, PluginId(id)).await?.ok_or(Error::NotFound("plugin"))
            })
            .await?;
        tracing::info!(plugin.id = %view.id, plugin.name = view.name, investigator.id = %by, "plugin published");
        Ok(view)
    }

    /// Adds an investigator's signature to a plugin; the same again changes nothing.
    pub(crate) async fn sign_plugin(
        &self,
        id: PluginId,
        signature: String,
    ) -> Result<PluginView, Error> {
        let mut conn = self.store.get().await?;
        let view = plugins::plugin_view(&mut conn, id).await?.ok_or(Error::NotFound("plugin"))?;
        let signature = self.verify(id.0, &view.hash, signature, "/signature")?;
        if !view.signers.contains(&signature.fingerprint) && view.signers.len() >= MOST_SIGNATURES {
            return Err(Error::Conflict {
                code: "too-many-signatures",
                detail: "the plugin has as many signatures as it can have",
            });
        }
        signatures::signatures_insert(&mut conn, &[signature]).await?;
        plugins::plugin_view(&mut conn, id).await?.ok_or(Error::NotFound("plugin"))
    }

    /// Finds out which investigator signed a plugin's hash.
    fn verify(
        &self,
        plugin: Uuid,
        hash: &str,
        signature: String,
        pointer: &str,
    ) -> Result<NewSignature, Error> {
        let now = self.clock.now();
        let keyring = self.replica.current();
        let signer = keyring.signer_of(&signature, hash.as_bytes(), now).map_err(|error| {
            let detail = format!("is no signature of an investigator over the hash: {error}");
            Error::Invalid(vec![Fault { pointer: pointer.into(), detail }])
        })?;
        let fingerprint = signer.fingerprint.unwrap_or_default();
        Ok(NewSignature { plugin, fingerprint, investigator: signer.id.0, signature, added: now })
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
