//! `http-api` and `openc2-http`: one request to a destination that the operators allowed (specs/soarca/cacao.md §6,
//! §7).

use super::Call;
use super::secret::{Secrets, text_of};
use crate::config::Config;
use crate::domain::destination::{Destination, Named, allows, has_networks, is_host, named};
use crate::domain::execution::Values;
use crate::domain::playbook::Content;
use crate::domain::text;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Url, redirect};
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How many redirects within one origin are followed.
const REDIRECTS: usize = 5;
/// For how many ports a client is kept.
const CLIENTS: usize = 64;
/// How many bytes all headers of a request may have.
const HEADERS: usize = 256 << 10;
/// How much of a refusal is told.
const TOLD: usize = 1_000;

/// Sends requests. Each port has a client of its own: what a name may lead to is judged as it is looked up, for that
/// port.
pub(crate) struct Http {
    allow: Arc<[Destination]>,
    clients: Mutex<HashMap<u16, Client>>,
}

/// Looks names up and gives only addresses that may be used.
struct Guarded {
    allow: Arc<[Destination]>,
    port: u16,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (allow, port) = (Arc::clone(&self.allow), self.port);
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, port)).await?;
            let named = named(&allow, host, port);
            let usable: Vec<SocketAddr> =
                found.filter(|at| allows(&allow, named, at.ip(), port)).collect();
            if usable.is_empty() {
                return Err(refusal(host, port).into());
            }
            let usable: Addrs = Box::new(usable.into_iter());
            Ok(usable)
        })
    }
}

/// Gives a host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn refusal(host: &str, port: u16) -> String {
    format!(
        "{host}:{port} is not on the list of destinations (--http-allow of the scheduler), or leads to an address that is not"
    )
}

impl Http {
    pub(crate) fn new(allow: &[Destination]) -> Self {
        Self { allow: allow.into(), clients: Mutex::default() }
    }

    fn client(&self, port: u16) -> Result<Client, String> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&port) {
            return Ok(client.clone());
        }
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        let policy = redirect::Policy::custom(|attempt| {
            let from = attempt.previous().first().map(Url::origin);
            if attempt.previous().len() <= REDIRECTS
                && from.is_some_and(|from| from == attempt.url().origin())
            {
                attempt.follow()
            } else {
                attempt.stop()
            }
        });
        let client = Client::builder()
            .redirect(policy)
            .connect_timeout(CONNECT)
            .no_proxy()
            .dns_resolver(Arc::new(Guarded { allow: Arc::clone(&self.allow), port }))
            .user_agent(concat!("writ/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("no HTTP client can be made: {error}"))?;
        clients.insert(port, client.clone());
        Ok(client)
    }

    pub(super) async fn call(
        &self,
        call: &Call,
        secrets: &mut Secrets,
        config: &Config,
    ) -> Result<Values, String> {
        let request = request(call, secrets, &self.allow).await?;
        let (host, port) = match (request.url().host_str(), request.url().port_or_known_default()) {
            (Some(host), Some(port)) => (host.to_owned(), port),
            _ => return Err("the target has no host".into()),
        };
        let named = named(&self.allow, bare(&host), port);
        let may = match bare(&host).parse() {
            Ok(address) => allows(&self.allow, named, address, port),
            // what it leads to is judged when it is looked up
            Err(_) => named == Named::Listed || has_networks(&self.allow),
        };
        if !may {
            return Err(refusal(&host, port));
        }
        let limit = usize::try_from(config.response_limit).unwrap_or(usize::MAX);
        let mut response = self
            .client(port)?
            .execute(request)
            .await
            .map_err(|error| format!("{host}:{port}: {}", chain(&error)))?;
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| format!("{host}:{port}: {}", chain(&error)))?
        {
            if body.len() + chunk.len() > limit {
                return Err(format!("the answer has more than {limit} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        let body = String::from_utf8_lossy(&body).replace('\0', "\u{fffd}");
        let status = response.status();
        if !status.is_success() {
            // masked before it is cut: half of a secret is not recognized
            let told: String = secrets.mask(&body).chars().take(TOLD).collect();
            return Err(format!("{host}:{port} answered {status}: {told}"));
        }
        let name = match call.command.kind.as_str() {
            "openc2-http" => "__soarca_openc2_http_result__",
            _ => "__soarca_http_api_result__",
        };
        Ok([(name.to_owned(), body)].into())
    }
}

/// Says what went wrong with its causes; the address is left out, it may hold values.
fn chain(error: &reqwest::Error) -> String {
    let mut text = match () {
        () if error.is_connect() => "no connection came about".to_owned(),
        () if error.is_timeout() => "the answer took too long".to_owned(),
        () if error.is_redirect() => "it was redirected too often".to_owned(),
        () => "the request failed".to_owned(),
    };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}

async fn request(
    call: &Call,
    secrets: &mut Secrets,
    allow: &[Destination],
) -> Result<Request, String> {
    let scope = &call.scope;
    let words: Vec<_> = call.command.text.split_whitespace().collect();
    let [method, path, _version] = words.as_slice() else {
        return Err("the command must be like `GET /path HTTP/1.1`".into());
    };
    let method = text::line(method, scope)?;
    let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        .map_err(|error| format!("{method:?} is no method: {error}"))?;
    let openc2 = call.command.kind == "openc2-http";
    if openc2 && method != Method::POST {
        return Err("openc2-http is always POST".into());
    }
    let url = url(call, &text::path(path, scope)?)?;
    let mut headers = headers(call, secrets)?;
    if let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) {
        secrets.go_to(bare(host), port, allow);
    }
    authorize(call, secrets, &mut headers).await?;
    let content = call.command.content.as_ref();
    let body = content.map(|content| body(content, call, &mut headers)).transpose()?;
    if openc2 && !headers.contains_key(CONTENT_TYPE) {
        headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/openc2+json;version=1.0"));
    }
    let mut request = Request::new(method, url);
    *request.headers_mut() = headers;
    *request.body_mut() = body.map(Into::into);
    Ok(request)
}

/// Gives where to: SOARCA's order of addresses and its rule for the scheme.
fn url(call: &Call, path: &str) -> Result<Url, String> {
    let (kind, address) = call.address(&["dname", "ipv4", "ipv6", "url"])?;
    let base = if kind == "url" { base(&address)? } else { origin(kind, &address, call.port()?)? };
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut url: Url = format!("{base}{slash}{path}")
        .parse()
        .map_err(|error| format!("the address of the request is none: {error}"))?;
    url.set_fragment(None);
    Ok(url)
}

/// Takes the address of a target that is a URL, without its query.
fn base(address: &str) -> Result<String, String> {
    let url: Url = address.parse().map_err(|error| format!("the target's url is none: {error}"))?;
    let user = !url.username().is_empty() || url.password().is_some();
    if !matches!(url.scheme(), "http" | "https") || user {
        return Err("the target's url must be http or https, without a user".into());
    }
    let bare = url.as_str().split(['?', '#']).next().unwrap_or_default();
    Ok(bare.trim_end_matches('/').to_owned())
}

/// Makes an origin of a host, with SOARCA's scheme for its port.
fn origin(kind: &str, address: &str, port: Option<u16>) -> Result<String, String> {
    let host = match kind {
        "ipv6" => address.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]")),
        "ipv4" => address.parse::<Ipv4Addr>().ok().map(|address| address.to_string()),
        _ => Some(address.trim_end_matches('.').to_owned()).filter(|host| is_host(host)),
    };
    let host = host.ok_or_else(|| format!("the target's {kind} {address:?} is none"))?;
    let scheme = if matches!(port, None | Some(80 | 8080)) { "http" } else { "https" };
    Ok(match port {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

fn headers(call: &Call, secrets: &mut Secrets) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let mut size = 0;
    for (name, value) in &call.command.headers {
        let value = text::line(value.trim(), &call.scope)
            .map_err(|detail| format!("header {name}: {detail}"))?;
        size += name.len() + value.len();
        if size > HEADERS {
            return Err(format!("the headers have more than {HEADERS} bytes with their values"));
        }
        let key = HeaderName::from_bytes(name.trim().as_bytes())
            .map_err(|error| format!("{name:?} is no name of a header: {error}"))?;
        // these are made by the connection
        if matches!(
            key.as_str(),
            "host" | "content-length" | "connection" | "transfer-encoding" | "upgrade" | "te"
        ) {
            continue;
        }
        let secret = ["authorization", "cookie", "token", "key", "secret"]
            .iter()
            .any(|word| key.as_str().contains(word));
        if secret {
            secrets.note(value.rsplit(' ').next().unwrap_or(&value));
        }
        let mut value =
            HeaderValue::from_str(&value).map_err(|error| format!("header {name}: {error}"))?;
        value.set_sensitive(secret);
        headers.append(key, value);
    }
    // the same when a command is repeated, so that the other side can tell
    if let Ok(key) = HeaderValue::from_str(&call.key()) {
        headers.entry("idempotency-key").or_insert(key);
    }
    Ok(headers)
}

async fn authorize(
    call: &Call,
    secrets: &mut Secrets,
    headers: &mut HeaderMap,
) -> Result<(), String> {
    use base64::Engine;
    let Some(credentials) = call.credentials() else { return Ok(()) };
    let user = |key: &str| text::line(text_of(credentials, key), &call.scope);
    let value = match text_of(credentials, "type") {
        kind @ ("http-basic" | "user-auth") => {
            let user = user(if kind == "http-basic" { "user_id" } else { "username" })?;
            let password = secrets.get(credentials, "password", &call.scope).await?;
            let pair =
                base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            secrets.note(&pair);
            format!("Basic {pair}")
        }
        "oauth2" => format!("Bearer {}", secrets.get(credentials, "token", &call.scope).await?),
        other => return Err(format!("credentials of type {other:?} cannot be used for HTTP")),
    };
    let mut value = HeaderValue::from_str(&value)
        .map_err(|error| format!("the credentials cannot stand in a header: {error}"))?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}

/// Fills values into the body in the way of its type.
fn body(content: &Content, call: &Call, headers: &mut HeaderMap) -> Result<Vec<u8>, String> {
    let text = match content {
        Content::Bytes(bytes) => return Ok(bytes.clone()),
        Content::Text(text) => text,
    };
    let kind = headers
        .get(CONTENT_TYPE)
        .map(|kind| kind.to_str().unwrap_or_default().to_ascii_lowercase());
    let looks = text.trim_start().starts_with(['{', '[']);
    let filled = match kind.as_deref() {
        Some(kind) if kind.contains("json") => text::json(text, &call.scope),
        Some(kind) if kind.contains("x-www-form-urlencoded") => text::form(text, &call.scope),
        None if looks => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            text::json(text, &call.scope)
        }
        Some(_) if looks => text::json(text, &call.scope),
        _ => text::body(text, &call.scope),
    };
    Ok(filled?.into_bytes())
}
