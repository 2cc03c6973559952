//! Lets a loader in by its key.

use super::{App, beside};
use crate::domain::key::LoaderKey;
use crate::error::Error;
use crate::store::loaders::{KnockRow, loader_knock};

impl App {
    /// Finds whose key it is: enabled now, and the right key.
    pub(super) async fn admit_loader(&self, key: &LoaderKey) -> Result<KnockRow, Error> {
        let now = self.clock.now();
        let found = {
            let mut conn = self.store.get().await?;
            loader_knock(&mut conn, key.prefix()).await?
        };
        let knock = found.filter(|knock| knock.loader.enabled).ok_or(Error::Loader)?;
        let kept = knock.key();
        if self.known.knows(key, &kept, now) {
            return Ok(knock);
        }
        if !self.known.take_try(key.prefix(), now) {
            return Err(Error::Busy);
        }
        let (shown, hashed) = (key.clone(), kept.clone());
        let right = beside(move || hashed.verify(&shown)).await?;
        if !right {
            tracing::info!(loader.id = knock.loader.id, "a wrong key was shown");
            return Err(Error::Loader);
        }
        self.known.give_back(key.prefix());
        self.known.remember(key, &kept, now);
        Ok(knock)
    }
}
