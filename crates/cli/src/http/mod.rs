//! Speaks with the server: authenticates each request, has time-outs and size limits, follows no redirect.

mod answer;
mod call;
mod collection;
mod events;

pub use answer::Reply;
pub use call::Call;
pub use events::{Event, Events};

use crate::exit::{Because, Failure, Kind, chain};
use crate::keys::Signer;
use crate::output::list::Item;
use answer::Answer;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use time::OffsetDateTime;
use types::Clock;
use types::api::Page;

/// Says how long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(5);
/// Says how long a request may take altogether.
const REQUEST: Duration = Duration::from_mins(1);
/// Says how long a stream of events may last.
const STREAM: Duration = Duration::from_hours(1);
/// Says how much of an answer is read.
const MAX_BODY: usize = 100 * 1024 * 1024;
/// Says how long a token made through gpg is used again: a card must not be asked for each request.
const TOKEN_LIFE: time::Duration = time::Duration::seconds(60);

/// Says how the caller proves who it is.
pub enum Credentials {
    /// By an API key.
    ApiKey(HeaderValue),
    /// By a signature over time and nonce.
    Key(Rc<Signer>),
}

/// Is the server.
pub struct Api {
    client: reqwest::Client,
    base: Url,
    credentials: Credentials,
    clock: Clock,
    kept: RefCell<Option<(OffsetDateTime, HeaderValue)>>,
}

impl Api {
    /// Prepares to speak with the server at `url`; `ca` are the certificates its own must lead to, in PEM.
    pub fn new(
        url: &str,
        ca: Option<&[u8]>,
        credentials: Credentials,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let base = parse_url(url)?;
        // a second call in the same process finds the provider installed, which is as good
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("writ/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = ca {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .because(|| "the CA file holds no certificates in PEM".into())?;
            if certificates.is_empty() {
                return Err(Failure::new("the CA file holds no certificates in PEM"));
            }
            builder = builder.tls_certs_only(certificates);
        } else if base.scheme() == "http" {
            // a machine without certificates can still reach a server without TLS
            builder = builder.tls_certs_only([]);
        }
        let client =
            builder.build().because(|| "cannot prepare TLS".into()).map_err(|failure| {
                failure.next("install ca-certificates, or name the server's CA by --ca-file")
            })?;
        Ok(Self { client, base, credentials, clock, kept: RefCell::default() })
    }

    /// Sends a request; a token that the server refuses is made anew once.
    pub async fn send(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        let reply = self.once(call, false).await?;
        if reply.status == StatusCode::UNAUTHORIZED
            && matches!(self.credentials, Credentials::Key(_))
        {
            return self.once(call, true).await?.judge();
        }
        reply.judge()
    }

    /// Sends a request that may safely arrive twice: while the server is away or busy, up to three times.
    pub async fn send_patiently(&self, call: &Call<'_>) -> Result<Reply, Failure> {
        for pause in [500, 1_500] {
            match self.send(call).await {
                Err(failure) if failure.kind == Kind::Passing => {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                done => return done,
            }
        }
        self.send(call).await
    }

    /// Reads one document.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, Failure> {
        self.send(&Call::get(path)).await?.json()
    }

    /// Reads one page of a list; a page that is too large is asked for again in smaller pieces.
    pub async fn page<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        cursor: Option<&str>,
    ) -> Result<Page<Item<T>>, Failure> {
        let mut limit = 100;
        loop {
            let mut call = Call::get(path).query("limit", limit.to_string());
            for (name, value) in query {
                call = call.query(name, *value);
            }
            if let Some(cursor) = cursor {
                call = call.query("cursor", cursor);
            }
            match self.send(&call).await {
                Err(failure) if failure.kind == Kind::TooLarge && limit > 1 => {
                    limit = 1.max(limit / 5);
                }
                reply => return reply?.json(),
            }
        }
    }

    /// Opens a stream of events that goes on after the event `last`; gives nothing when the server has none for us,
    /// for whatever reason.
    pub async fn events(&self, path: &[&str], last: &str) -> Result<Option<Events>, Failure> {
        let call = Call::get(path);
        for fresh in [false, true] {
            let mut request = self.request(&call, fresh).await?.timeout(STREAM);
            if !last.is_empty() {
                request = request.header("last-event-id", last);
            }
            let response = tokio::time::timeout(REQUEST, request.send()).await.map_err(|late| {
                Failure::new(format!("{} does not answer in time", self.base))
                    .why(late.to_string())
                    .kind(Kind::Passing)
            })?;
            let response = response.map_err(|error| self.unreachable(&error))?;
            let kind = response.headers().get("content-type");
            let streams =
                kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
            if response.status() == StatusCode::OK && streams {
                return Ok(Some(Events::new(response)));
            }
            let unknown = response.status() == StatusCode::UNAUTHORIZED;
            if !unknown || !matches!(self.credentials, Credentials::Key(_)) {
                break;
            }
        }
        Ok(None)
    }

    async fn once(&self, call: &Call<'_>, fresh: bool) -> Result<Answer, Failure> {
        let request = self.request(call, fresh).await?;
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        self.read(response).await
    }

    async fn request(
        &self,
        call: &Call<'_>,
        fresh: bool,
    ) -> Result<reqwest::RequestBuilder, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(call.path);
        }
        let (name, value) = self.authorization(fresh).await?;
        let mut request = self.client.request(call.method.clone(), url).header(name, value);
        if !call.query.is_empty() {
            request = request.query(&call.query);
        }
        if let Some(body) = &call.body {
            request = request.header("content-type", &call.content_type).body(body.clone());
        }
        Ok(request)
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Answer, Failure> {
        let status = response.status();
        let id = response.headers().get("x-request-id");
        let request_id = id.and_then(|id| id.to_str().ok()).map(Into::into);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(Failure::new("the server's answer is too large")
                    .why(format!("it has more than {MAX_BODY} bytes"))
                    .kind(Kind::TooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, request_id, body })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let what = if error.is_timeout() { "does not answer in time" } else { "cannot be reached" };
        Failure::new(format!("{} {what}", self.base))
            .why(chain(error))
            .kind(Kind::Passing)
            .next("writ config show, or --url URL")
    }

    async fn authorization(&self, fresh: bool) -> Result<(HeaderName, HeaderValue), Failure> {
        match &self.credentials {
            Credentials::ApiKey(key) => Ok((HeaderName::from_static("x-migapikey"), key.clone())),
            Credentials::Key(signer) => {
                let token = self.token(signer, fresh).await?;
                Ok((HeaderName::from_static("x-pgpauthorization"), token))
            }
        }
    }

    async fn token(&self, signer: &Signer, fresh: bool) -> Result<HeaderValue, Failure> {
        let now = self.clock.now();
        let kept = self.kept.borrow().clone();
        match kept {
            Some((made, token)) if !fresh && now - made < TOKEN_LIFE => return Ok(token),
            _ => {}
        }
        let text = signing::token::text(now, &format!("{:032x}", rand::random::<u128>()))
            .because(|| "cannot make a token".into())?;
        let signature = signer.sign_line(text.as_bytes(), now).await?;
        let mut token = HeaderValue::from_str(&signing::token::with_signature(&text, &signature))
            .because(|| "the signature is not one line".into())?;
        token.set_sensitive(true);
        if matches!(*signer, Signer::Gpg(_)) {
            self.kept.replace(Some((now, token.clone())));
        }
        Ok(token)
    }
}

/// Reads the address of the server.
pub fn parse_url(text: &str) -> Result<Url, Failure> {
    let next = "an address is for example https://writ.example.net";
    let url = Url::parse(text)
        .because(|| format!("'{text}' is not an address"))
        .map_err(|failure| failure.next(next))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(Failure::new(format!("'{text}' is not an http or https address")).next(next));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::new("the address must not hold a name or a password")
            .next("authenticate by key, or by --apikey-file FILE"));
    }
    Ok(url)
}

/// Tells whether what is sent to `url` can be read on the way.
pub fn is_open(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let here = matches!(host, "localhost" | "[::1]") || host.starts_with("127.");
    url.scheme() == "http" && !here
}
