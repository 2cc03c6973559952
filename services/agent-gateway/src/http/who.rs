//! Who may come in: investigators who read, investigators who change, agents.

use crate::AgentGateway;
use crate::app::patience::Patience;
use crate::error::Error;
use crate::store::tokens::Known;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;
use types::{AgentId, Permission};
use web::{Needs, Peer, Permitted, Problem};

/// No honest token is longer.
const TOKEN_BYTES: usize = 256;

/// Is an investigator with `gateway_read`.
pub(super) type Reader = Permitted<Read>;

/// Is an investigator with `gateway_write`.
pub(super) type Writer = Permitted<Write>;

/// Needs `gateway_read`.
pub(super) enum Read {}

/// Needs `gateway_write`.
pub(super) enum Write {}

impl Needs for Read {
    const PERMISSION: Permission = Permission::GatewayRead;
}

impl Needs for Write {
    const PERMISSION: Permission = Permission::GatewayWrite;
}

/// Is an agent with what it sent: nothing of a body is read before its token is known.
#[derive(Debug, Clone)]
pub(super) struct Agent<T = ()>(pub(super) AgentId, pub(super) T);

impl<T> FromRequest for Agent<T>
where
    T: FromRequest + 'static,
    T::Error: Into<actix_web::Error>,
{
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let agent = identify(&request).await?;
            request.extensions_mut().insert(agent);
            let sent = T::from_request(&request, &mut payload).await.map_err(Into::into)?;
            Ok(Self(agent, sent))
        })
    }
}

/// Is a RunbookSolutions agent with what it sent, and until when it is held: known by its token, or by its address
/// where agents are known so.
#[derive(Debug, Clone)]
pub(super) struct RunbookAgent<T = ()>(pub(super) Known, pub(super) T, pub(super) Patience);

impl<T> FromRequest for RunbookAgent<T>
where
    T: FromRequest + 'static,
    T::Error: Into<actix_web::Error>,
{
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let mut payload = payload.take();
        Box::pin(async move {
            let peer = Peer::extract(&request).await?;
            let app = &gateway(&request)?.app;
            let token = bearer(&request)?;
            let patience = Patience::begin();
            let known = async || app.authenticate_runbook(token, peer.0).await;
            let agent = app.patiently(patience, known).await.map_err(Problem::from)?;
            let sent = T::from_request(&request, &mut payload).await.map_err(Into::into)?;
            Ok(Self(agent, sent, patience))
        })
    }
}

async fn identify(request: &HttpRequest) -> Result<AgentId, Problem> {
    let token = bearer(request)?.ok_or(Error::Token)?;
    Ok(gateway(request)?.app.authenticate_agent(token).await?)
}

fn gateway(request: &HttpRequest) -> Result<&Data<AgentGateway>, Problem> {
    request.app_data::<Data<AgentGateway>>().ok_or_else(|| {
        Problem::internal(anyhow::anyhow!("the server was set up without its service"))
    })
}

/// Gives the token that is shown; refuses one that no honest agent has.
fn bearer(request: &HttpRequest) -> Result<Option<&str>, Problem> {
    let value = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = match value.and_then(|value| value.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => return Ok(None),
    };
    if token.is_empty() || token.len() > TOKEN_BYTES {
        return Err(Error::Token.into());
    }
    Ok(Some(token))
}
