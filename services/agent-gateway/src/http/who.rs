//! Who may come in: investigators who read, investigators who change, agents.

use crate::AgentGateway;
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use auth::Caller;
use futures_util::future::LocalBoxFuture;
use std::future::{Ready, ready};
use types::{AgentId, Permission};
use web::{Investigator, Problem};

/// No honest token is longer.
const TOKEN_BYTES: usize = 256;

/// Is an investigator with `gateway_read`; known before any body is read.
#[derive(Debug, Clone)]
pub(super) struct Reader;

/// Is an investigator with `gateway_write`; known before any body is read.
#[derive(Debug, Clone)]
pub(super) struct Writer(pub(super) Caller);

fn investigator(request: &HttpRequest, permission: Permission) -> Result<Caller, Problem> {
    let asking = Investigator::from_request(request, &mut Payload::None).into_inner()?;
    asking.require(permission)?;
    Ok(asking.0)
}

impl FromRequest for Reader {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(investigator(request, Permission::GatewayRead).map(|_caller| Self))
    }
}

impl FromRequest for Writer {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(investigator(request, Permission::GatewayWrite).map(Self))
    }
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
            let sent = T::from_request(&request, &mut payload).await.map_err(Into::into)?;
            Ok(Self(agent, sent))
        })
    }
}

async fn identify(request: &HttpRequest) -> Result<AgentId, Problem> {
    let Some(gateway) = request.app_data::<Data<AgentGateway>>() else {
        return Err(Problem::internal(anyhow::anyhow!(
            "the server was set up without its service"
        )));
    };
    let value = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = match value.and_then(|value| value.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => "",
    };
    if token.is_empty() || token.len() > TOKEN_BYTES {
        return Err(crate::error::Error::Token.into());
    }
    Ok(gateway.app.authenticate_agent(token).await?)
}
