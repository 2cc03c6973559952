//! Large bodies: how much of them lies in memory at a time is bounded, or a fleet that answers at once is the end of
//! us.

use crate::AgentGateway;
use crate::app::App;
use crate::app::room::QUICK_BYTES;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use web::{Body, Problem};

/// The most that one body may have.
pub(super) const LIMIT: usize = 32 << 20;
/// Bodies up to this size do not wait for larger ones.
const SMALL: usize = 1 << 20;
/// How long an agent that comes again waits for room before it is told to do so.
const PATIENCE: Duration = Duration::from_secs(10);

/// Is a body with the room that it takes, which is to be held until nothing of it is needed any more.
#[derive(Debug)]
pub(super) struct Held {
    /// The body.
    pub(super) bytes: Bytes,
    /// The room.
    pub(super) room: OwnedSemaphorePermit,
}

impl FromRequest for Held {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let room = wait_for_room(app(&request)?, told(&request));
            let room = or_later(PATIENCE, room).await?;
            let body = Body::<LIMIT>::from_request(&request, &mut payload).await?;
            Ok(Self { bytes: body.0, room })
        })
    }
}

/// Finds the app of a request.
pub(super) fn app(request: &HttpRequest) -> Result<&App, Problem> {
    let gateway = request.app_data::<Data<AgentGateway>>();
    gateway.map(|gateway| &*gateway.app).ok_or_else(|| {
        Problem::internal(anyhow::anyhow!("the server was set up without its service"))
    })
}

/// Waits until there is room for a body that says that it has `told` bytes; one of unknown length may become as large
/// as any.
pub(super) async fn wait_for_room(
    app: &App,
    told: Option<usize>,
) -> Result<OwnedSemaphorePermit, Problem> {
    let bytes = told.unwrap_or(LIMIT).min(LIMIT);
    let room = if bytes <= SMALL { &app.small_room } else { &app.room };
    acquire(room, bytes).await
}

/// Waits until there is memory for what comes out of a body of `bytes`.
pub(super) async fn wait_for_desk(
    app: &App,
    bytes: usize,
) -> Result<Option<OwnedSemaphorePermit>, Problem> {
    Ok(app.wait_for_desk(bytes).await?)
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
