//! A service that serves, and its end.

use crate::{Health, Parts, Service, Tasks};
use actix_web::dev::ServerHandle;
use anyhow::bail;
use messaging::Shutdown;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use web::Site;

/// How long consumers and jobs may take to end what they have at hand.
const LAST_WORK: Duration = Duration::from_secs(5);
/// How long the relay may take to publish what they wrote.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How much longer than the drain the server may take before it is left alone.
const GRACE: Duration = Duration::from_secs(2);

/// Is a service that serves.
pub struct Running<S: Service> {
    /// Where callers are served.
    pub address: SocketAddr,
    /// Where the probes are served.
    pub admin_address: SocketAddr,
    /// The service itself.
    pub service: Arc<S>,
    /// What it stands on.
    pub parts: Parts,
    /// The service as another server can mount it.
    pub site: Site,
    pub(crate) ending: Ending,
}

/// Is what the end of a service needs.
pub(crate) struct Ending {
    pub(crate) health: Health,
    pub(crate) tasks: Tasks,
    pub(crate) relays: Tasks,
    pub(crate) http: ServerHandle,
    pub(crate) admin: ServerHandle,
    pub(crate) admin_task: tokio::task::JoinHandle<std::io::Result<()>>,
    pub(crate) work: Shutdown,
    pub(crate) relay: Shutdown,
    pub(crate) linger: Duration,
    pub(crate) drain: Duration,
}

impl<S: Service> Running<S> {
    /// Gives the origin of the callers' port.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gives the origin of the admin port.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin_address)
    }

    /// Knows how the process is.
    pub fn health(&self) -> &Health {
        &self.ending.health
    }

    /// Waits for the word to stop and ends in order; fails when something of the process had failed.
    pub async fn finish(self) -> anyhow::Result<()> {
        self.parts.shutdown.wait().await;
        tracing::info!(service = S::NAME, "stopping");
        self.ending.run(S::NAME).await?;
        tracing::info!(service = S::NAME, "stopped");
        Ok(())
    }

    /// Says the word and ends in order.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.parts.shutdown.trigger();
        self.finish().await
    }
}

impl Ending {
    /// Ends: a while in which callers still find it, no new work, the requests at hand, consumers and jobs, what is
    /// left in the outbox.
    async fn run(self, service: &'static str) -> anyhow::Result<()> {
        self.health.stopping();
        tokio::time::sleep(self.linger).await;
        // the server cuts requests off at the end of the drain; the grace is for its own threads
        let _ = tokio::time::timeout(self.drain + GRACE, self.http.stop(true)).await;
        self.work.trigger();
        self.tasks.finish(LAST_WORK).await;
        self.relay.trigger();
        self.relays.finish(LAST_WORDS).await;
        self.admin.stop(false).await;
        let _ = self.admin_task.await;
        match self.health.failure() {
            Some(reason) => bail!("{service}: {reason}"),
            None => Ok(()),
        }
    }
}
