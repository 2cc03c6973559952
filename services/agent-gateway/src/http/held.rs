//! Large bodies: how much of them lies in memory at a time is bounded, or a fleet that answers at once is the end of
//! us; and no agent takes all of that, nor holds it for long without sending anything.

use crate::AgentGateway;
use crate::app::App;
use crate::app::room::QUICK_BYTES;
use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, BytesMut, Data};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use types::AgentId;
use web::Problem;

/// The most that one body may have.
pub(super) const LIMIT: usize = 32 << 20;
/// Bodies up to this size do not wait for larger ones.
const SMALL: usize = 1 << 20;
/// How long an agent that comes again waits for room before it is told to do so.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a body may take to begin.
const BEGIN: Duration = Duration::from_secs(10);
/// How long it may take then, beside what a large one takes at so many bytes a second.
const WITHIN: Duration = Duration::from_mins(1);
const SLOWEST: usize = 256 << 10;
/// How many bytes a second are expected of a body that does not say how long it is.
const SLOWEST_UNTOLD: usize = 32 << 10;

/// Is the room that a body takes.
#[derive(Debug)]
pub(super) struct Room {
    _share: OwnedSemaphorePermit,
    _room: OwnedSemaphorePermit,
}

/// Is a body with the room that it takes, which is to be held until nothing of it is needed any more.
#[derive(Debug)]
pub(super) struct Held {
    /// The body.
    pub(super) bytes: Bytes,
    /// The room.
    pub(super) room: Room,
}

impl FromRequest for Held {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    /// To be asked of an agent that is known: see [`super::who::Agent`].
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let agent = request.extensions().get::<AgentId>().copied();
            let agent = agent.ok_or_else(|| {
                Problem::internal(anyhow::anyhow!("a body was taken of nobody in particular"))
            })?;
            let told = told(&request);
            if told.is_some_and(|told| told > LIMIT) {
                return Err(too_large());
            }
            let room = wait_for_room(app(&request)?, agent, told);
            let room = or_later(PATIENCE, room).await?;
            let within = WITHIN + Duration::from_secs(seconds(told.unwrap_or(LIMIT) / SLOWEST));
            match read(&mut payload, told, within).await? {
                Came::Whole(bytes) => Ok(Self { bytes, room }),
                Came::Large(_) => Err(too_large()),
                Came::Slowly(_) => Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "body-late",
                    "The body came too slowly",
                    "others wait for the room that it takes; come again",
                )),
            }
        })
    }
}

fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body-too-large",
        "The body is too large",
        format!("at most {LIMIT} bytes are taken here"),
    )
}

fn seconds(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Finds the app of a request.
pub(super) fn app(request: &HttpRequest) -> Result<&App, Problem> {
    let gateway = request.app_data::<Data<AgentGateway>>();
    gateway.map(|gateway| &*gateway.app).ok_or_else(|| {
        Problem::internal(anyhow::anyhow!("the server was set up without its service"))
    })
}

/// Waits until there is room for a body of an agent that says that it has `told` bytes; one of unknown length may
/// become as large as any.
pub(super) async fn wait_for_room(
    app: &App,
    agent: AgentId,
    told: Option<usize>,
) -> Result<Room, Problem> {
    let bytes = told.unwrap_or(LIMIT).min(LIMIT);
    let share = app.shares.wait(agent, bytes, LIMIT).await?;
    let room = if bytes <= SMALL { &app.small_room } else { &app.room };
    Ok(Room { _share: share, _room: acquire(room, bytes).await? })
}

/// Says how a body came.
#[derive(Debug)]
pub(super) enum Came {
    /// All of it.
    Whole(Bytes),
    /// It is larger than [`LIMIT`]; so many bytes were read.
    Large(usize),
    /// It came more slowly than one may who holds room; so many bytes were read.
    Slowly(usize),
}

/// Reads a body that says that it has `told` bytes as long as it comes as fast as it must, to be there `within` some
/// time after it began.
pub(super) async fn read(
    payload: &mut Payload,
    told: Option<usize>,
    within: Duration,
) -> Result<Came, Problem> {
    let began = Instant::now();
    let mut bytes = BytesMut::with_capacity(told.unwrap_or(0).min(QUICK_BYTES));
    loop {
        let more = timeout_at(began + due(bytes.len(), told, within), payload.next()).await;
        let Ok(more) = more else { return Ok(Came::Slowly(bytes.len())) };
        let Some(chunk) = more else { return Ok(Came::Whole(bytes.freeze())) };
        let chunk = chunk.map_err(broken)?;
        if bytes.len() + chunk.len() > LIMIT {
            return Ok(Came::Large(bytes.len() + chunk.len()));
        }
        bytes.extend_from_slice(&chunk);
    }
}

/// Says when more than `received` bytes must have come.
fn due(received: usize, told: Option<usize>, within: Duration) -> Duration {
    let so_far = match told {
        Some(told) => {
            let thousandths = received.saturating_mul(1_000) / told.max(1);
            within * u32::try_from(thousandths).unwrap_or(u32::MAX).min(1_000) / 1_000
        }
        None => within.min(Duration::from_secs(seconds(received / SLOWEST_UNTOLD))),
    };
    BEGIN + so_far
}

#[expect(clippy::needless_pass_by_value, reason = "called by map_err")]
pub(super) fn broken(error: actix_web::error::PayloadError) -> Problem {
    Problem::malformed("body-broken", format!("the body cannot be read: {error}"))
}

/// Waits until there is memory for the `tree` bytes that come out of a body.
pub(super) async fn wait_for_desk(
    app: &App,
    tree: usize,
) -> Result<Option<OwnedSemaphorePermit>, Problem> {
    Ok(app.wait_for_desk(tree).await?)
}

/// Does `work`, which takes a body of `bytes` apart.
pub(super) async fn take_apart<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    if bytes <= QUICK_BYTES { Ok(work()) } else { web::cpu(work).await }
}

async fn acquire(room: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
    let kib = u32::try_from((bytes / 1_024).max(1)).map_err(Problem::internal)?;
    Arc::clone(room).acquire_many_owned(kib).await.map_err(Problem::internal)
}

/// Waits for so long, and sends an agent away then that comes again.
pub(super) async fn or_later<T>(
    patience: Duration,
    what: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let late = |_elapsed| {
        Problem::unavailable("more answers come in than can be taken at a time; come again", None)
    };
    tokio::time::timeout(patience, what).await.map_err(late)?
}

/// Gives how large the body says that it is.
pub(super) fn told(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_must_go_on() {
        let within = Duration::from_mins(1);
        let due = |received, told| due(received, told, within).as_secs();
        assert_eq!(due(0, Some(1 << 20)), 10);
        assert_eq!(due(1 << 19, Some(1 << 20)), 40);
        assert_eq!(due(1 << 20, Some(1 << 20)), 70);
        assert_eq!(due(usize::MAX, Some(1)), 70);
        assert_eq!(due(0, Some(0)), 10);
        assert_eq!(due(0, None), 10);
        assert_eq!(due(1 << 20, None), 42);
        assert_eq!(due(LIMIT, None), 70);
    }
}
