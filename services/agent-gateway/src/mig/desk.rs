//! The batcher of heartbeats: those of HTTP callers are gathered, so that each costs a part of a statement only.

use super::Mig;
use crate::app::App;
use crate::domain::heartbeat::Heartbeat;
use crate::domain::whitelist::Whitelist;
use crate::error::Error;
use service::Shutdown;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

/// How many heartbeats are taken in together.
pub(super) const AT_ONCE: usize = 500;
/// How many callers may wait at the desk.
const WAITING: usize = 20_000;
/// How many bytes of heartbeats may be on their way here: they carry no proof, and take several times as much when they
/// are read.
const WAITING_BYTES: usize = 48 << 20;
/// How long a caller waits: an agent that is not answered hangs.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a batch is taken in anew that the database gave up for another transaction, and how long at most.
const TRIES: u32 = 3;
const TRYING: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);
/// How long the desk stays open after the word to stop without anybody coming.
const LAST: Duration = Duration::from_secs(2);

/// Is a heartbeat whose caller waits.
pub(crate) struct Ask {
    heartbeat: Heartbeat,
    reply: oneshot::Sender<Heard>,
    room: Space,
}

/// Is the room that a heartbeat takes, from its first byte to its answer.
#[derive(Debug)]
pub(crate) struct Space {
    room: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Space {
    /// Takes room for `bytes` more. Nobody waits for it, and so nobody who sends slowly keeps others waiting. Tells
    /// whether there was room.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&self.room).try_acquire_many_owned(bytes) else { return false };
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            none => *none = Some(more),
        }
        true
    }
}

/// Says what became of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is stored, or soon will be.
    Yes,
    /// The agent is not one of those that are heard.
    NotListed,
    /// The agent was revoked.
    Revoked,
    /// There is no room for it now.
    NoRoom,
    /// It could not be stored now.
    NotNow,
}

impl Heard {
    /// Is the label of metrics.
    fn outcome(self) -> &'static str {
        match self {
            Self::Yes => "heard",
            Self::NotListed => "not_listed",
            Self::Revoked => "revoked",
            Self::NoRoom => "no_room",
            Self::NotNow => "failed",
        }
    }
}

/// Takes heartbeats in.
pub(super) struct Desk {
    asks: mpsc::Sender<Ask>,
    room: Arc<Semaphore>,
    file: Option<PathBuf>,
    list: Mutex<Listed>,
}

/// Is the whitelist as it was read last, and from which state of its file.
#[derive(Default)]
struct Listed {
    stamp: Option<(SystemTime, u64)>,
    list: Arc<Whitelist>,
    /// Whether its file could not be read last time.
    unread: bool,
}

impl Listed {
    /// Takes in what its file holds; that it cannot be read is told once, for every heartbeat comes by here.
    fn renew(&mut self, text: std::io::Result<((SystemTime, u64), String)>, file: &Path) {
        let unread = match text {
            Ok((stamp, text)) => {
                let (list, wrong) = Whitelist::parse(&text);
                for line in wrong {
                    tracing::warn!(line, file = %file.display(), "a line of the whitelist is no pattern");
                }
                (self.stamp, self.list) = (Some(stamp), Arc::new(list));
                None
            }
            Err(error) => Some(error),
        };
        if let Some(error) = unread.as_ref().filter(|_| !self.unread) {
            tracing::error!(%error, file = %file.display(), "the whitelist cannot be read");
        }
        self.unread = unread.is_some();
    }
}

impl Desk {
    pub(super) fn new(file: Option<PathBuf>) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(WAITING);
        let room = Arc::new(Semaphore::new(WAITING_BYTES));
        (Self { asks, room, file, list: Mutex::default() }, asked)
    }

    /// Gives the whitelist, read again when its file has changed; none when everybody is heard. While the file cannot
    /// be read, the last one holds, and at first nobody is heard.
    fn whitelist(&self) -> Option<Arc<Whitelist>> {
        let file = self.file.as_ref()?;
        let mut listed = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = std::fs::metadata(file).and_then(|meta| Ok((meta.modified()?, meta.len())));
        let text = match stamp {
            Ok(stamp) if listed.stamp == Some(stamp) => return Some(Arc::clone(&listed.list)),
            Ok(stamp) => std::fs::read_to_string(file).map(|text| (stamp, text)),
            Err(error) => Err(error),
        };
        listed.renew(text, file);
        Some(Arc::clone(&listed.list))
    }
}

impl Mig {
    /// Gives room for a heartbeat that is about to come; more is taken with [`Space::grow`].
    pub(crate) fn space(&self) -> Space {
        Space { room: Arc::clone(&self.desk.room), taken: None }
    }

    /// Counts heartbeats of HTTP callers for which there was no room.
    pub(crate) fn no_room(&self) -> Heard {
        self.meters.heartbeats("http", Heard::NoRoom.outcome(), 1);
        Heard::NoRoom
    }

    /// Takes in the heartbeat of an HTTP caller together with others.
    pub(crate) async fn hear(&self, heartbeat: Heartbeat, room: Space) -> Heard {
        if self.desk.whitelist().is_some_and(|list| !list.allows(&heartbeat.queueloc)) {
            self.meters.heartbeats("http", Heard::NotListed.outcome(), 1);
            return Heard::NotListed;
        }
        let (reply, answer) = oneshot::channel();
        let asking = async {
            self.desk.asks.send(Ask { heartbeat, reply, room }).await.ok()?;
            answer.await.ok()
        };
        let answered = tokio::time::timeout(PATIENCE, asking).await;
        let heard = answered.ok().flatten().unwrap_or(Heard::NotNow);
        self.meters.heartbeats("http", heard.outcome(), 1);
        heard
    }

    /// Keeps the heartbeats of agents that are heard.
    pub(super) fn admit(&self, heartbeats: Vec<Heartbeat>) -> Vec<Heartbeat> {
        let Some(list) = self.desk.whitelist() else { return heartbeats };
        let count = heartbeats.len();
        let heard: Vec<Heartbeat> =
            heartbeats.into_iter().filter(|it| list.allows(&it.queueloc)).collect();
        self.meters.heartbeats("amqp", "not_listed", count - heard.len());
        heard
    }
}

/// Serves the desk until the end.
pub(super) async fn serve(app: Arc<App>, mut asked: mpsc::Receiver<Ask>, shutdown: Shutdown) {
    let mut asks = Vec::with_capacity(AT_ONCE);
    loop {
        let came = tokio::select! {
            count = asked.recv_many(&mut asks, AT_ONCE) => count,
            () = async { shutdown.wait().await; tokio::time::sleep(LAST).await } => 0,
        };
        if came == 0 {
            return;
        }
        // a caller that went away beats again
        asks.retain(|ask| !ask.reply.is_closed());
        if asks.is_empty() {
            continue;
        }
        let (heartbeats, replies): (Vec<_>, Vec<_>) =
            asks.drain(..).map(|ask| (ask.heartbeat, (ask.reply, ask.room))).unzip();
        let heard = take_in(&app, &heartbeats).await;
        for ((reply, _room), heard) in replies.into_iter().zip(heard) {
            let _gone = reply.send(heard);
        }
    }
}

/// Takes heartbeats in, all together; when one stands in the way of the others, each by itself.
async fn take_in(app: &App, heartbeats: &[Heartbeat]) -> Vec<Heard> {
    let error = match hear(app, heartbeats).await {
        Ok(heard) => return heard,
        Err(error) => error,
    };
    warn(&error);
    if heartbeats.len() < 2 || matches!(error, Error::Unavailable(_)) {
        return vec![Heard::NotNow; heartbeats.len()];
    }
    let mut each = Vec::with_capacity(heartbeats.len());
    for one in heartbeats {
        each.extend(hear(app, std::slice::from_ref(one)).await.unwrap_or_else(|error| {
            warn(&error);
            vec![Heard::NotNow]
        }));
    }
    each
}

/// Takes heartbeats in; anew when the database gave the transaction up for another.
async fn hear(app: &App, heartbeats: &[Heartbeat]) -> Result<Vec<Heard>, Error> {
    let began = Instant::now();
    let mut tries = 1;
    let revoked = loop {
        match app.hear_agents(heartbeats).await {
            Err(Error::Unavailable(_)) if tries < TRIES && began.elapsed() < TRYING => {
                tries += 1;
                tokio::time::sleep(PAUSE).await;
            }
            done => break done?,
        }
    };
    let of = |heard: &Heartbeat| {
        if revoked.contains(&heard.queueloc) { Heard::Revoked } else { Heard::Yes }
    };
    Ok(heartbeats.iter().map(of).collect())
}

pub(super) fn warn(error: &Error) {
    let chain = match error {
        Error::Unavailable(source) | Error::Internal(source) => format!("{error}: {source:#}"),
        other => other.to_string(),
    };
    tracing::warn!(error = chain, "what MIG's agents sent cannot be stored now");
}
