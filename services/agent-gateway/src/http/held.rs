//! Large bodies: how much of them lies in memory at a time is bounded, or a fleet that answers at once is the end of us.

use crate::AgentGateway;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use web::{Body, Problem};

/// The most that one body may have.
pub(super) const LIMIT: usize = 32 << 20;
/// How long a caller waits for room before it is told to come again.
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
            let room = wait_for_room(&request).await?;
            let body = Body::<LIMIT>::from_request(&request, &mut payload).await?;
            Ok(Self { bytes: body.0, room })
        })
    }
}

/// Waits until there is room for the body of `request`.
pub(super) async fn wait_for_room(request: &HttpRequest) -> Result<OwnedSemaphorePermit, Problem> {
    let Some(gateway) = request.app_data::<Data<AgentGateway>>() else {
        return Err(Problem::internal(anyhow::anyhow!(
            "the server was set up without its service"
        )));
    };
    let told = told(request);
    // a body of unknown length may become as large as any; one that says that it is larger is refused unread
    let kib = told.unwrap_or(LIMIT).min(LIMIT) / 1_024;
    let kib = u32::try_from(kib.max(1)).map_err(Problem::internal)?;
    let room = Arc::clone(&gateway.app.room).acquire_many_owned(kib);
    match tokio::time::timeout(PATIENCE, room).await {
        Ok(room) => room.map_err(Problem::internal),
        Err(_elapsed) => Err(Problem::unavailable(
            "more answers come in than can be taken at a time; come again",
            None,
        )),
    }
}

/// Gives how large the body says that it is.
pub(super) fn told(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
