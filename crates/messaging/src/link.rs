//! One connection to the broker, made again whenever it is asked for and not there.
//!
//! lapin's own recovery is not used: whoever works on a channel drops it at the first error and starts again, declaring
//! everything it needs. That is one code path for the first start, a cut, and a broker that came back empty.

use crate::{Settings, tls};
use anyhow::anyhow;
use arc_swap::ArcSwapOption;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long the broker may take to answer anything.
pub const RPC: Duration = Duration::from_secs(10);
/// A peer that is silent for twice as many seconds is gone.
const HEARTBEAT: u16 = 10;
/// How many bytes a small frame has: lapin keeps two buffers of 32 frames for each connection, and with the broker's
/// 128 KiB those of five services take 100 MB.
const FRAME: u32 = 32 << 10;

/// Says why the broker did not do something.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It says why.
    #[error("{0}")]
    Broker(#[from] lapin::Error),
    /// It says nothing.
    #[error("the broker did not answer for {} s", RPC.as_secs())]
    Silent,
    /// The files of certificates cannot be used any more.
    #[error("{0}")]
    Certificates(String),
    /// Something that was there is not any more.
    #[error("{0}")]
    Gone(&'static str),
}

/// Waits for an answer of the broker: a broker that is out of memory or disk does not refuse, it keeps silent.
pub async fn rpc<T>(call: impl Future<Output = lapin::Result<T>>) -> Result<T, LinkError> {
    Ok(tokio::time::timeout(RPC, call).await.map_err(|_elapsed| LinkError::Silent)??)
}

/// Is one connection, shared by the channels on it.
pub struct Link {
    name: String,
    uri: AMQPUri,
    settings: Settings,
    current: ArcSwapOption<Connection>,
    connecting: Mutex<()>,
}

impl Link {
    /// Reads the settings; connects to nothing yet.
    pub fn new(name: String, settings: &Settings) -> anyhow::Result<Self> {
        let mut uri: AMQPUri = settings.url.parse().map_err(|error| {
            anyhow!(
                "the broker's URL does not parse ({error}); it looks like amqp://user:password@host:port/vhost"
            )
        })?;
        uri.query.heartbeat = Some(uri.query.heartbeat.unwrap_or(HEARTBEAT));
        // what is wrong with the files is said at the start
        tls::config(settings)?;
        let (settings, current) = (settings.clone(), ArcSwapOption::empty());
        Ok(Self { name, uri, settings, current, connecting: Mutex::new(()) })
    }

    /// Has small frames on the connection, unless the URL says how large they are. Not where strangers' messages come
    /// in: a broker does not cut headers into frames, and one that is larger than a frame ends the connection, each
    /// time anew.
    #[must_use]
    pub fn with_small_frames(mut self) -> Self {
        self.uri.query.frame_max = Some(self.uri.query.frame_max.unwrap_or(FRAME));
        self
    }

    /// Tells whether the connection stands.
    pub fn is_up(&self) -> bool {
        self.live().is_some()
    }

    /// Tells whether the broker holds up publishers on the connection: it is short of memory or disk.
    pub fn is_blocked(&self) -> bool {
        self.live().is_some_and(|connection| connection.status().blocked())
    }

    /// Opens a channel, on a new connection when there is none.
    pub async fn channel(&self) -> Result<Channel, LinkError> {
        let connection = self.connection().await?;
        let opened = rpc(connection.create_channel()).await;
        // nothing is written to one on which publishers are held up, so that it could not even be closed: let go, it
        // would stay with its thread and all that it was given, and another would come beside it
        if opened.is_err() && !connection.status().blocked() {
            self.forget(&connection);
        }
        opened
    }

    /// Closes the connection, waiting shortly for the broker to say good-bye.
    pub async fn close(&self) {
        if let Some(connection) = self.current.swap(None) {
            let goodbye = connection.close(200, "OK".into());
            let _silent = tokio::time::timeout(Duration::from_secs(1), goodbye).await;
        }
    }

    fn live(&self) -> Option<Arc<Connection>> {
        self.current.load_full().filter(|connection| connection.status().connected())
    }

    /// Lets a connection go that does not answer; a newer one stays.
    fn forget(&self, connection: &Arc<Connection>) {
        let none: Option<Arc<Connection>> = None;
        drop(self.current.compare_and_swap(connection, none));
    }

    async fn connection(&self) -> Result<Arc<Connection>, LinkError> {
        if let Some(connection) = self.live() {
            return Ok(connection);
        }
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(connection) = self.live() {
            return Ok(connection);
        }
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let runtime = lapin::runtime::default_runtime()?;
        let uri = self.uri.clone();
        let tls = tls::config(&self.settings)
            .map_err(|error| LinkError::Certificates(format!("{error:#}")))?;
        let connect = Connection::connect_uri_with_config(uri, properties, tls, runtime);
        let connection = Arc::new(rpc(connect).await?);
        self.current.store(Some(Arc::clone(&connection)));
        tracing::info!(connection = %self.name, "connected to the broker");
        Ok(connection)
    }
}

/// Grows from a tenth of a second to five seconds, each with jitter, so that a broker that comes back is not trampled.
pub struct Pause {
    next: Duration,
}

impl Default for Pause {
    fn default() -> Self {
        Self::new()
    }
}

impl Pause {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    /// Begins with the shortest.
    pub fn new() -> Self {
        Self { next: Self::FIRST }
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        self.next = Self::FIRST;
    }

    /// Gives how long to wait now.
    pub fn take(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(Self::LONGEST);
        jitter(now)
    }
}

/// Takes something between half of `duration` and all of it.
fn jitter(duration: Duration) -> Duration {
    // the random bits of a fresh id are random enough to keep processes apart
    let random = uuid::Uuid::now_v7().as_bytes().last().copied().unwrap_or(0);
    duration.mul_f64(0.5 + f64::from(random) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::{Link, Pause};
    use crate::Settings;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let mut pause = Pause::new();
        let taken: Vec<_> = (0..20).map(|_| pause.take()).collect();
        assert!(taken[0] <= Pause::FIRST);
        assert!(taken.iter().all(|pause| *pause <= Pause::LONGEST));
        assert!(taken[19] >= Pause::LONGEST / 2);
    }

    #[test]
    fn a_wrong_url_is_refused_without_the_password() {
        let made = Link::new("x".into(), &Settings::new("http://app:secret@broker/"));
        let error = format!("{:#}", made.err().unwrap());
        assert!(error.contains("amqp://") && !error.contains("secret"), "{error}");
    }
}
