//! Credentials of targets: from the playbook, or from files that were mounted; they are masked wherever they come back.

use super::Call;
use crate::domain::destination::{Destination, is_open, lists};
use crate::domain::execution::Values;
use crate::domain::text;
use crate::domain::variable::Variables;
use serde_json::{Map, Value};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A text that is shorter is not looked for: masking it would only garble what people read.
const SHORTEST: usize = 4;

/// What the file with the hosts of a secret is called: the secret's own name and this.
const HOSTS: &str = ".hosts";

/// Holds the secrets that one command used.
pub(super) struct Secrets {
    folder: Option<PathBuf>,
    known: Vec<String>,
    to: Option<To>,
}

/// Is where the secrets of a command go.
struct To {
    host: String,
    port: u16,
    /// Whether the operators named it, or its network or domain: not every public host.
    named: bool,
}

impl Secrets {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, known: Vec::new(), to: None }
    }

    /// Takes note of where the command goes; `allow` is where such commands may go.
    pub(super) fn go_to(&mut self, host: &str, port: u16, allow: &[Destination]) {
        let by_name = host.parse::<IpAddr>().is_err();
        // without `*`, a name that leads anywhere leads to a network of the list
        let named = lists(allow, host, port) || (by_name && !is_open(allow, port));
        self.to = Some(To { host: host.to_owned(), port, named });
    }

    /// Gives a secret of `credentials`: the value of `key`, or with `kms` what the file named by `kms_key_identifier`
    /// holds.
    pub(super) async fn get(
        &mut self,
        credentials: &Map<String, Value>,
        key: &str,
        scope: &Variables,
    ) -> Result<String, String> {
        let kept = credentials.get("kms").and_then(Value::as_bool).unwrap_or_default();
        let secret = if kept {
            self.file(text_of(credentials, "kms_key_identifier")).await?
        } else {
            text::line(text_of(credentials, key), scope)
                .map_err(|detail| format!("{key}: {detail}"))?
        };
        if secret.is_empty() {
            return Err(format!("the credentials hold no {key}"));
        }
        self.note(&secret);
        Ok(secret)
    }

    /// Gives a secret of several lines, such as a key.
    pub(super) async fn get_text(
        &mut self,
        credentials: &Map<String, Value>,
        key: &str,
    ) -> Result<String, String> {
        let kept = credentials.get("kms").and_then(Value::as_bool).unwrap_or_default();
        let secret = if kept {
            self.file(text_of(credentials, "kms_key_identifier")).await?
        } else {
            text_of(credentials, key).to_owned()
        };
        if secret.is_empty() {
            return Err(format!("the credentials hold no {key}"));
        }
        self.note(&secret);
        Ok(secret)
    }

    async fn file(&self, name: &str) -> Result<String, String> {
        let folder = self
            .folder
            .as_deref()
            .ok_or("kms is asked for, but the scheduler has no --secrets-dir")?;
        let fits = !name.is_empty()
            && !name.starts_with('.')
            && !name.ends_with(HOSTS)
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if !fits {
            return Err(format!("kms_key_identifier {name:?} is not the name of a secret"));
        }
        self.may_go(folder, name).await?;
        let text = tokio::fs::read_to_string(folder.join(name)).await;
        let text =
            text.map_err(|error| format!("the secret {name:?} cannot be read: {}", error.kind()))?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// Checks that a secret may go where the command goes: whoever may run a playbook can name any secret, and any
    /// destination that is allowed.
    async fn may_go(&self, folder: &Path, name: &str) -> Result<(), String> {
        let to = self.to.as_ref().ok_or("a secret goes nowhere without a host")?;
        let file = format!("{name}{HOSTS}");
        let hosts = match tokio::fs::read_to_string(folder.join(&file)).await {
            Ok(text) => hosts(&text).map_err(|detail| format!("{file}: {detail}"))?,
            Err(error) if error.kind() == ErrorKind::NotFound && to.named => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(format!(
                    "the secret {name:?} has no file {file} that names its hosts, so that it goes only where a host, domain or \
                     network of the list of destinations leads, and {}:{} is allowed by `*` alone",
                    to.host, to.port
                ));
            }
            Err(error) => return Err(format!("{file} cannot be read: {}", error.kind())),
        };
        if lists(&hosts, &to.host, to.port) || is_open(&hosts, to.port) {
            return Ok(());
        }
        Err(format!(
            "the secret {name:?} is not for {}:{}; {file} names its hosts",
            to.host, to.port
        ))
    }

    /// Takes note of a text that must not be seen.
    pub(super) fn note(&mut self, secret: &str) {
        if secret.len() >= SHORTEST {
            self.known.push(secret.to_owned());
        }
    }

    /// Hides every secret that was used.
    pub(super) fn mask(&self, text: &str) -> String {
        self.known.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }

    pub(super) fn masked(&self, values: Values) -> Values {
        values.into_iter().map(|(name, value)| (name, self.mask(&value))).collect()
    }
}

/// Reads the hosts of a secret: one a line, in the form of the list of destinations; behind `#` stands what is not
/// read.
fn hosts(text: &str) -> Result<Vec<Destination>, String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(str::parse).collect()
}

/// Gives a text of an object.
pub(super) fn text_of<'a>(object: &'a Map<String, Value>, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

impl Call {
    /// Gives the credentials of the target, else of the agent.
    pub(super) fn credentials(&self) -> Option<&Map<String, Value>> {
        let of = |object: &Map<String, Value>| {
            let id = text_of(object, "authentication_info");
            self.playbook.credentials.get(id)
        };
        self.target.as_ref().and_then(of).or_else(|| of(&self.agent))
    }

    /// Gives the first address of one of these kinds, with its variables filled in.
    pub(super) fn address(&self, kinds: &[&'static str]) -> Result<(&'static str, String), String> {
        let target =
            self.target.as_ref().ok_or("the step has no target: there is nowhere to go")?;
        let address = target.get("address").and_then(Value::as_object);
        for kind in kinds {
            let first = address.and_then(|address| address.get(*kind)?.as_array()?.first());
            if let Some(first) = first.and_then(Value::as_str).filter(|first| !first.is_empty()) {
                return Ok((kind, text::line(first, &self.scope)?));
            }
        }
        Err(format!("the target has no address of these kinds: {}", kinds.join(", ")))
    }

    /// Gives the port of the target, when it has one.
    pub(super) fn port(&self) -> Result<Option<u16>, String> {
        let port = match self.target.as_ref().and_then(|target| target.get("port")) {
            Some(Value::String(port)) if !port.is_empty() => text::line(port, &self.scope)?,
            Some(Value::Number(port)) => port.to_string(),
            _ => return Ok(None),
        };
        port.parse()
            .map(Some)
            .map_err(|error| format!("the target's port {port:?} is none: {error}"))
    }
}
