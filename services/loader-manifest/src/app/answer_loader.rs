//! Answers a loader: which files belong on its host, and their bytes (specs/mig/loader.md §3).

use super::App;
use crate::domain::delivery::Delivery;
use crate::domain::host::{Host, Parameters, Seen};
use crate::domain::key::LoaderKey;
use crate::domain::shelf::{Choice, File, Shelf, Shelved};
use crate::domain::text::parse_target;
use crate::error::Error;
use crate::store::deliveries::{delivery_offer, delivery_write};
use crate::store::loaders::{
    Given, KnockRow, LoaderRow, loader_report, loaders_lock, queueloc_release,
};
use std::sync::Arc;
use store::Failure;
use time::{Duration, OffsetDateTime};
use types::ManifestId;
use types::messages::LoaderChanged;

/// Says how old the row's last sight of a loader may get.
const SEEN_EVERY: Duration = Duration::seconds(60);

/// Is what a loader is told.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) loader_name: String,
    pub(crate) manifest: Arc<Shelved>,
}

/// Is a loader that was let in, where it should be, and what may be given out.
struct Visit {
    knock: KnockRow,
    parameters: Parameters,
    shelf: Arc<Shelf>,
    now: OffsetDateTime,
}

impl App {
    /// Gives the manifest that is for the loader, and notes what it said of its host.
    pub(crate) async fn answer_loader(
        &self,
        key: &LoaderKey,
        parameters: &str,
    ) -> Result<Answer, Error> {
        let visit = self.receive(key, parameters).await?;
        let choice = visit.choose();
        self.note(&visit, choice).await?;
        let manifest = Arc::clone(choice.ok_or(Error::NoManifest)?.manifest);
        Ok(Answer { loader_name: visit.knock.loader.loader_name, manifest })
    }

    /// Finds a file of the manifest that the loader was given.
    pub(crate) async fn open_file(
        &self,
        key: &LoaderKey,
        parameters: &str,
    ) -> Result<(ManifestId, File), Error> {
        let visit = self.receive(key, parameters).await?;
        let name = visit.parameters.object.as_str();
        if name.is_empty() {
            return Err(Error::Malformed("manifest fetch with no object".into()));
        }
        // the one whose list it has, so that list and files fit together while a newer one comes
        let choice = visit.given().or_else(|| visit.choose()).ok_or(Error::NoManifest)?;
        let manifest = choice.manifest;
        let not_found = || Error::NotFound(format!("object {name} not found in manifest"));
        let file = manifest.file(name).ok_or_else(not_found)?.clone();
        self.note_fetch(&visit, choice, &file).await?;
        Ok((manifest.id, file))
    }

    async fn receive(&self, key: &LoaderKey, parameters: &str) -> Result<Visit, Error> {
        let knock = self.admit_loader(key).await?;
        let parameters = Parameters::parse(parameters)?;
        let now = self.clock.now();
        if parameters.host.name.is_empty() || !is_expected(&knock.loader, &parameters.host, now) {
            tracing::info!(loader.id = knock.loader.id, "the loader is not where it should be");
            return Err(Error::NoManifest);
        }
        let shelf = self.shelf(knock.revision).await?;
        Ok(Visit { knock, parameters, shelf, now })
    }

    /// Writes what changed: the host, what the loader is given, how far it is with that.
    async fn note(&self, visit: &Visit, choice: Option<Choice<'_>>) -> Result<(), Error> {
        let loader = &visit.knock.loader;
        let manifest = choice.map(|choice| &**choice.manifest);
        let given = choice.map(|Choice { manifest, ordered }| Given {
            manifest: manifest.id,
            name: &manifest.name,
            ordered,
        });
        let new = manifest.filter(|manifest| loader.manifest_id != Some(manifest.id.0));
        let before = visit.knock.delivery();
        let after = match (manifest, new) {
            (Some(_), None) => before.clone().map(Delivery::asked),
            _ => None,
        };
        let progress = after.filter(|after| Some(after) != before.as_ref());
        let quiet = is_same(loader, &visit.parameters.host)
            && (Duration::ZERO..SEEN_EVERY).contains(&(visit.now - loader.last_seen));
        if quiet && new.is_none() && progress.is_none() {
            return Ok(());
        }
        let written = match self.write_visit(visit, given, new, progress.as_ref()).await {
            // two loaders may say at the same moment that they are on one host; the later one is believed
            Err(Error::Store(Failure::Conflict { .. })) => {
                self.write_visit(visit, given, new, progress.as_ref()).await
            }
            written => written,
        };
        written?;
        self.bus.wake();
        Ok(())
    }

    async fn write_visit(
        &self,
        visit: &Visit,
        given: Option<Given<'_>>,
        new: Option<&Shelved>,
        progress: Option<&Delivery>,
    ) -> Result<(), Error> {
        let (loader, host, now) = (&visit.knock.loader, &visit.parameters.host, visit.now);
        let before = loader.manifest_id.map(ManifestId);
        self.store
            .tx(async |conn| -> Result<(), Error> {
                let mut rows = Vec::new();
                if let Some(queueloc) = host.queueloc.as_deref()
                    && loader.queueloc.as_deref() != Some(queueloc)
                {
                    loaders_lock(conn, loader.id(), queueloc).await?;
                    rows = queueloc_release(conn, queueloc, loader.id()).await?;
                }
                // disabled since it was let in
                let row = loader_report(conn, loader.id(), host, given, now).await?;
                rows.push(row.ok_or(Error::Loader)?);
                if let Some(manifest) = new {
                    delivery_offer(conn, loader.id(), manifest.id, before, now).await?;
                } else if let (Some(given), Some(progress)) = (given, progress) {
                    delivery_write(conn, loader.id(), given.manifest, progress, now).await?;
                }
                let told: Vec<LoaderChanged> = rows.into_iter().map(Into::into).collect();
                Ok(self.bus.put_all(conn, now, &told).await?)
            })
            .await
    }

    /// Notes that a loader fetches a file.
    async fn note_fetch(
        &self,
        visit: &Visit,
        choice: Choice<'_>,
        file: &File,
    ) -> Result<(), Error> {
        let manifest = choice.manifest;
        let loader = &visit.knock.loader;
        let mut before = visit.knock.delivery();
        if loader.manifest_id != Some(manifest.id.0) {
            // it did not ask for the list first
            self.note(visit, Some(choice)).await?;
            before = Some(Delivery::new());
        }
        let Some(before) = before else { return Ok(()) };
        let after = before.clone().fetches(file.position);
        if after == before {
            return Ok(());
        }
        let now = visit.now;
        self.store
            .tx(async |conn| -> Result<(), Error> {
                Ok(delivery_write(conn, loader.id(), manifest.id, &after, now).await?)
            })
            .await
    }
}

impl Visit {
    fn seen(&self) -> Seen<'_> {
        seen(&self.knock.loader, &self.parameters.host, self.now)
    }

    fn choose(&self) -> Option<Choice<'_>> {
        self.shelf.choose(&self.seen(), &self.knock.loader.floors(), self.now)
    }

    /// Gives the manifest whose list the loader was given, while it may have it.
    fn given(&self) -> Option<Choice<'_>> {
        let id = ManifestId(self.knock.loader.manifest_id?);
        let manifest = self.shelf.get(id, &self.seen(), self.now)?;
        Some(Choice { manifest, ordered: false })
    }
}

fn seen<'a>(loader: &'a LoaderRow, host: &'a Host, now: OffsetDateTime) -> Seen<'a> {
    Seen {
        id: loader.id(),
        loader_name: &loader.loader_name,
        host,
        at: now,
        enabled: loader.enabled,
        expect_env: loader.expect_env.as_deref(),
    }
}

/// Tells whether the host is what people expect of this loader; nothing is believed nor written before that holds.
fn is_expected(loader: &LoaderRow, host: &Host, now: OffsetDateTime) -> bool {
    let Some(expected) = loader.expect_env.as_deref() else { return true };
    parse_target(expected)
        .is_ok_and(|target| target.eval(&seen(loader, host, now), now) == Some(true))
}

fn is_same(loader: &LoaderRow, host: &Host) -> bool {
    loader.name.as_ref() == Some(&host.name)
        && loader.queueloc == host.queueloc
        && loader.environment.as_ref() == Some(&host.environment)
        && loader.tags.as_ref() == Some(&host.tags)
}
