//! Large answers are taken apart beside the event loops, as many at a time as there is memory for.

use super::{App, kib};
use crate::error::Error;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Bodies up to this size are taken apart at once: that takes less than a millisecond.
pub(crate) const QUICK_BYTES: usize = 64 << 10;
/// How much larger JSON may become when it is taken apart.
const SPREAD: usize = 16;

impl App {
    /// Waits until there is memory for what comes out of bodies of `bytes`; that is to be held until nothing of it is
    /// needed any more. Small ones need none.
    pub(crate) async fn wait_for_desk(
        &self,
        bytes: usize,
    ) -> Result<Option<OwnedSemaphorePermit>, Error> {
        if bytes <= QUICK_BYTES {
            return Ok(None);
        }
        let most = kib(self.config.answers_in_flight).saturating_mul(2);
        let kib = (bytes / 1_024).saturating_mul(SPREAD).min(most).max(1);
        let kib = u32::try_from(kib).map_err(|error| Error::Internal(error.into()))?;
        let desk = Arc::clone(&self.desk).acquire_many_owned(kib).await;
        desk.map(Some).map_err(|error| Error::Internal(error.into()))
    }
}
