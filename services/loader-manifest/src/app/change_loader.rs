//! Creates and changes loaders.

use super::{App, beside};
use crate::domain::key::{KeyHash, new_prefix, new_secret};
use crate::domain::text::{check_name, parse_target};
use crate::error::Error;
use crate::store::loaders::{Change, LoaderRow, loader_change, loader_insert};
use auth::Caller;
use store::Failure;
use types::api::loader::LoaderPatch;
use types::messages::LoaderChanged;
use types::{InvestigatorId, LoaderId};

impl App {
    /// Creates a disabled loader; gives its secret, which is shown this once.
    pub(crate) async fn create_loader(
        &self,
        by: InvestigatorId,
        name: &str,
        expect: &str,
    ) -> Result<(LoaderRow, String), Error> {
        check_name("loader", name)?;
        let expect = condition(expect)?;
        let now = self.clock.now();
        let (prefix, secret, key) = new_key(new_prefix()).await?;
        let made = self
            .store
            .tx(async |conn| -> Result<LoaderRow, Error> {
                let made = loader_insert(conn, name, expect.as_deref(), (&prefix, &key), now).await;
                let made = made.map_err(|error| taken(error, name))?;
                self.bus.put(conn, now, &LoaderChanged::from(made.clone())).await?;
                Ok(made)
            })
            .await?;
        self.bus.wake();
        tracing::info!(loader.id = made.id, investigator.id = %by, "loader created");
        Ok((made, secret))
    }

    /// Lets a loader in, or no longer; counts from its next request on.
    pub(crate) async fn enable_loader(
        &self,
        by: InvestigatorId,
        id: LoaderId,
        enabled: bool,
    ) -> Result<LoaderRow, Error> {
        let change = Change { enabled: Some(enabled), ..Change::default() };
        self.change(by, id, change, "enabled or disabled").await
    }

    /// Sets what the loader's host must be like; empty for anything.
    pub(crate) async fn expect_loader(
        &self,
        by: InvestigatorId,
        id: LoaderId,
        expect: &str,
    ) -> Result<LoaderRow, Error> {
        let change =
            Change { expect: Some(condition(expect)?.unwrap_or_default()), ..Change::default() };
        self.change(by, id, change, "expectation set").await
    }

    /// Changes what is given, at once.
    pub(crate) async fn change_loader(
        &self,
        caller: &Caller,
        id: LoaderId,
        patch: &LoaderPatch,
    ) -> Result<LoaderRow, Error> {
        let expect = patch.expect_env.as_deref().map(condition).transpose()?;
        let expect = expect.map(Option::unwrap_or_default);
        if patch.enabled.is_none() && expect.is_none() {
            return Err(Error::invalid("nothing-to-change", "", "give enabled or expect_env"));
        }
        self.change(caller.id, id, Change { enabled: patch.enabled, expect, key: None }, "changed")
            .await
    }

    /// Replaces a loader's secret, not its prefix; gives the new one, which is shown this once.
    pub(crate) async fn rekey_loader(
        &self,
        by: InvestigatorId,
        id: LoaderId,
    ) -> Result<(LoaderRow, String), Error> {
        let (_, secret, key) = new_key(String::new()).await?;
        let change = Change { key: Some(key), ..Change::default() };
        Ok((self.change(by, id, change, "key replaced").await?, secret))
    }

    async fn change(
        &self,
        by: InvestigatorId,
        id: LoaderId,
        change: Change,
        what: &'static str,
    ) -> Result<LoaderRow, Error> {
        let now = self.clock.now();
        let changed = self
            .store
            .tx(async |conn| -> Result<LoaderRow, Error> {
                let row = loader_change(conn, id, &change).await?;
                let row =
                    row.ok_or_else(|| Error::NotFound(format!("Loader ID '{id}' not found")))?;
                self.bus.put(conn, now, &LoaderChanged::from(row.clone())).await?;
                Ok(row)
            })
            .await?;
        self.bus.wake();
        tracing::info!(loader.id = %id, investigator.id = %by, change = what, "loader changed");
        Ok(changed)
    }
}

/// Draws a secret and hashes it, which takes about a millisecond.
async fn new_key(prefix: String) -> Result<(String, String, KeyHash), Error> {
    let secret = new_secret();
    let hashed = secret.clone();
    let key = beside(move || KeyHash::new(&hashed)).await?;
    Ok((prefix, secret, key.map_err(Error::internal)?))
}

/// Checks a condition over loaders; empty is none.
fn condition(text: &str) -> Result<Option<String>, Error> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    parse_target(text).map_err(|error| {
        Error::invalid(
            "expectation-invalid",
            "/expect_env",
            format!("the expected environment does not parse: {error}"),
        )
    })?;
    Ok(Some(text.to_owned()))
}

fn taken(error: diesel::result::Error, name: &str) -> Error {
    match error.into() {
        Failure::Conflict { constraint: Some(constraint) } if constraint.contains("prefix") => {
            Error::Busy
        }
        Failure::Conflict { .. } => Error::Conflict(format!("there is a loader {name:?} already")),
        failure => Error::Store(failure),
    }
}
