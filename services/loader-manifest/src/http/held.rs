//! How much of what is large lies in memory at a time.

use crate::LoaderManifest;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use web::Problem;

/// How many mebibytes of archives are read at a time.
pub(crate) const ROOM: usize = 192;
/// How long a caller waits for room before it is told to come again.
const PATIENCE: Duration = Duration::from_secs(10);
const MIB: usize = 1 << 20;

/// Is a body `B` of at most `LIMIT` bytes, of which none is read before there is room for all of it. The room is to be
/// held until nothing of the body is needed any more.
#[derive(Debug)]
pub(super) struct Held<B, const LIMIT: usize>(pub(super) B, pub(super) OwnedSemaphorePermit);

impl<B, const LIMIT: usize> FromRequest for Held<B, LIMIT>
where
    B: FromRequest<Error = Problem> + 'static,
{
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let service = request.app_data::<Data<LoaderManifest>>().ok_or_else(|| {
                Problem::internal(anyhow::anyhow!("the server was set up without its service"))
            })?;
            let room = take_room(&service.app.room, told(&request).unwrap_or(LIMIT).min(LIMIT));
            let room = tokio::time::timeout(PATIENCE, room).await.map_err(|_elapsed| {
                Problem::unavailable("other archives are being read; come again", None)
            })??;
            Ok(Self(B::from_request(&request, &mut payload).await?, room))
        })
    }
}

async fn take_room(room: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
    let mib = u32::try_from(bytes.div_ceil(MIB).max(1)).map_err(Problem::internal)?;
    Arc::clone(room).acquire_many_owned(mib).await.map_err(Problem::internal)
}

/// Gives how large the body says that it is.
fn told(request: &HttpRequest) -> Option<usize> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
