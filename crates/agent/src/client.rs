//! Speaks with the server: typed calls, a time limit and a size limit on each, no redirects.

use crate::question::Question;
use anyhow::{Context as _, bail};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use types::api::device::{AccessToken, Approval, DeviceCode, GRANT_TYPE};
use types::api::plugin::{PluginDocument, PluginView};
use types::api::work::{AgentReport, Receipts, Returns, Work};
use types::{PluginId, RunId};

/// Says where the server is and how to get there.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its public origin, with a path in front of its own paths if there is one.
    pub url: Url,
    /// More certificate authorities to trust, as PEM.
    pub ca_file: Option<PathBuf>,
    /// The proxy to go through.
    pub proxy: Option<Url>,
}

/// Speaks with one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<HeaderValue>,
}

/// Says why a call did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The token is no longer good.
    #[error("the server does not accept the agent's token")]
    Unauthorized,
    /// The server refused or failed.
    #[error("the server answered {status}{detail}")]
    Status {
        /// Its status.
        status: StatusCode,
        /// What it says, made safe to print; starts with a colon when there is any.
        detail: String,
        /// The code of the device flow.
        error: Option<String>,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// There was no answer.
    #[error("the server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The answer is too long.
    #[error("the server's answer has more than {0} bytes")]
    TooLong(usize),
    /// The answer is something else.
    #[error("the server's answer is not what it should be")]
    Form(#[source] serde_json::Error),
    /// Answers were handed in, and the server says nothing about them.
    #[error("the server gave no receipt")]
    NoReceipt,
}

impl CallError {
    /// Gives how long the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Gives the server's status.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

const NAME: &str = concat!("writ-agent/", env!("CARGO_PKG_VERSION"));
/// How long a small answer may take.
pub(crate) const SOON: Duration = Duration::from_secs(30);
const SMALL: usize = 1024 * 1024;
const LARGE: usize = 32 * 1024 * 1024;

impl Client {
    /// Makes a client; `machine` says in the User-Agent on which machine it is.
    pub(crate) fn new(server: &Server, machine: &str) -> anyhow::Result<Self> {
        Self::coming_from(server, machine, None)
    }

    /// Makes a client whose connections come from an address of this machine.
    pub(crate) fn coming_from(
        server: &Server,
        machine: &str,
        address: Option<IpAddr>,
    ) -> anyhow::Result<Self> {
        // fails only when there is one already, which does as well
        rustls::crypto::ring::default_provider().install_default().ok();
        if !matches!(server.url.scheme(), "http" | "https") || !server.url.has_host() {
            bail!("{} is not an http or https address", server.url);
        }
        let mut http = reqwest::Client::builder()
            .user_agent(format!("{NAME} ({})", printable(machine, 200)))
            .redirect(reqwest::redirect::Policy::none())
            .local_address(address)
            .connect_timeout(Duration::from_secs(10))
            .timeout(SOON)
            .no_proxy();
        if let Some(file) = &server.ca_file {
            let pem = std::fs::read(file)
                .with_context(|| format!("cannot read the certificates in {}", file.display()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem)
                .with_context(|| format!("{} holds no certificates", file.display()))?;
            http = http.tls_certs_merge(certificates);
        }
        if let Some(proxy) = &server.proxy {
            http = http.proxy(reqwest::Proxy::all(proxy.clone())?);
        }
        let base = server.url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http: http.build().context("cannot set up HTTP")?, base, token: None })
    }

    /// Uses a token from now on.
    pub(crate) fn with_token(mut self, token: &str) -> anyhow::Result<Self> {
        let mut header = HeaderValue::from_str(&format!("Bearer {token}"))
            .context("the token has characters that no token has; enrol again")?;
        header.set_sensitive(true);
        self.token = Some(header);
        Ok(self)
    }

    /// Asks for a device code.
    pub(crate) async fn device_code(&self, client_id: &str) -> Result<DeviceCode, CallError> {
        let body = json!({ "client_id": client_id, "grant_type": GRANT_TYPE, "scope": "" });
        self.post("oauth/device/code", &body, SOON).await
    }

    /// Asks whether a device code was approved.
    pub(crate) async fn token(
        &self,
        client_id: &str,
        device_code: &str,
    ) -> Result<AccessToken, CallError> {
        let body =
            json!({ "client_id": client_id, "grant_type": GRANT_TYPE, "device_code": device_code });
        self.post("oauth/token", &body, SOON).await
    }

    /// Describes this agent.
    pub(crate) async fn report(&self, report: &AgentReport) -> Result<(), CallError> {
        let request = self.request(Method::PUT, "agent/v1/self").json(report);
        accept(request.send().await).await.map(|_| ())
    }

    /// Waits for work, for at most `wait`; tells which runs this agent is at. A question that was not answered is to be
    /// asked again.
    pub(crate) async fn work(
        &self,
        wait: Duration,
        holds: &[RunId],
        question: &mut Question,
    ) -> Result<Work, CallError> {
        let (ask, again) = question.name();
        let mut path = format!("agent/v1/work?wait={}&ask={ask}", wait.as_secs());
        if again {
            path.push_str("&again=true");
        }
        if !holds.is_empty() {
            let holds: Vec<String> = holds.iter().map(ToString::to_string).collect();
            path.push_str("&holds=");
            path.push_str(&holds.join(","));
        }
        let request = self.request(Method::GET, &path).timeout(wait + Duration::from_secs(15));
        let answer = match accept(request.send().await).await {
            Ok(answer) => read(answer, LARGE).await,
            Err(error) => Err(error),
        };
        question.settle(&answer);
        answer
    }

    /// Hands in answers.
    pub(crate) async fn send(&self, answers: &Returns) -> Result<Receipts, CallError> {
        self.post("agent/v1/results", answers, Duration::from_mins(2)).await
    }

    /// Lists the plugins assigned to this agent.
    pub(crate) async fn plugins(&self) -> Result<Vec<PluginView>, CallError> {
        #[derive(serde::Deserialize)]
        struct Assigned {
            items: Vec<PluginView>,
        }
        let request = self.request(Method::GET, "agent/v1/plugins");
        let assigned: Assigned = read(accept(request.send().await).await?, LARGE).await?;
        Ok(assigned.items)
    }

    /// Fetches a plugin; none when it is not assigned to this agent.
    pub(crate) async fn plugin(&self, id: PluginId) -> Result<Option<PluginDocument>, CallError> {
        let request = self.request(Method::GET, &format!("agent/v1/plugins/{id}"));
        match accept(request.send().await).await {
            Ok(answer) => read(answer, LARGE).await.map(Some),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Admits a device, as an investigator.
    pub(crate) async fn approve(
        &self,
        user_code: &str,
        approval: &Approval,
    ) -> Result<(), CallError> {
        let path = format!("v1/device-codes/{user_code}/approve");
        let request = self.request(Method::POST, &path).json(approval);
        accept(request.send().await).await.map(|_| ())
    }

    /// Reads a page of `/v1`, as an investigator.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        read(accept(self.request(Method::GET, path).send().await).await?, LARGE).await
    }

    /// Posts the heartbeat of a MIG agent as Go's client does; the answer has no body then.
    pub(crate) async fn beat(&self, heartbeat: String) -> Result<(), CallError> {
        let request = self
            .request(Method::POST, "api/v1/heartbeat")
            .header(USER_AGENT, "Go-http-client/1.1")
            .header(CONTENT_TYPE, "application/json")
            .body(heartbeat);
        accept(request.send().await).await.map(|_| ())
    }

    /// Posts JSON and reads the answer.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        limit: Duration,
    ) -> Result<T, CallError> {
        let request = self.request(Method::POST, path).timeout(limit).json(body);
        read(accept(request.send().await).await?, SMALL).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}/{path}", self.base));
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.clone()),
            None => request,
        }
    }
}

/// Turns everything but success into an error.
async fn accept(answer: Result<Response, reqwest::Error>) -> Result<Response, CallError> {
    // the address is no secret, but the error says it once and the log says it already
    let answer = answer.map_err(|error| CallError::Unreachable(error.without_url()))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|value| value.parse().ok()).map(Duration::from_secs);
    let said: Option<Value> = read(answer, SMALL).await.ok();
    let member = |name| Some(printable(said.as_ref()?.get(name)?.as_str()?, 300));
    let error = member("error");
    if status == StatusCode::UNAUTHORIZED && error.as_deref() != Some("invalid_client") {
        return Err(CallError::Unauthorized);
    }
    let detail = member("detail").or_else(|| member("error_description")).or_else(|| error.clone());
    let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
    Err(CallError::Status { status, detail, error, retry_after })
}

/// Reads a JSON body of limited size.
async fn read<T: DeserializeOwned>(mut answer: Response, limit: usize) -> Result<T, CallError> {
    let mut body = Vec::new();
    while let Some(chunk) =
        answer.chunk().await.map_err(|error| CallError::Unreachable(error.without_url()))?
    {
        if body.len() + chunk.len() > limit {
            return Err(CallError::TooLong(limit));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(CallError::Form)
}

/// Makes a foreign text safe for terminals and headers: printable ASCII, of limited length.
pub(crate) fn printable(text: &str, most: usize) -> String {
    let safe = |letter: char| if matches!(letter, ' '..='~') { letter } else { '?' };
    text.chars().take(most).map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_made_safe() {
        assert_eq!(printable("a\u{1b}[31mé\n", 100), "a?[31m??");
        assert_eq!(printable("abcdef", 3), "abc");
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for url in ["ftp://host/", "unix:/run/x"] {
            let server = Server { url: url.parse().unwrap(), ca_file: None, proxy: None };
            assert!(Client::new(&server, "m").unwrap_err().to_string().contains("http"));
        }
    }

    #[test]
    fn the_token_is_not_shown() {
        let url = "http://localhost/".parse().unwrap();
        let client = Client::new(&Server { url, ca_file: None, proxy: None }, "m").unwrap();
        assert!(!format!("{:?}", client.with_token("s3cret").unwrap()).contains("s3cret"));
    }
}
