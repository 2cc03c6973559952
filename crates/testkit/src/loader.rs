//! A loader that does exactly what `mig-loader` does in one run (specs/mig/loader.md §4): settings and key from its
//! disk, what it tells of its host, order, headers, hashes, the signatures by the keys on its disk, each file replaced
//! at once or not at all, modes, and what it would run in the end. It needs nothing but an address, so that the whole
//! house can be asked as well.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use reqwest::Client;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use signing::{KeySet, Policy, PublicKey};
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tempfile::TempDir;
use types::Clock;

/// Lists the files that it knows, where they belong below its root, and their modes.
const PLACES: [(&str, &str, u32); 7] = [
    ("mig-agent", "sbin/mig-agent", 0o700),
    ("mig-loader", "sbin/mig-loader", 0o700),
    ("configuration", "etc/mig/mig-agent.cfg", 0o600),
    ("agentcert", "etc/mig/agent.crt", 0o644),
    ("agentkey", "etc/mig/agent.key", 0o600),
    ("cacert", "etc/mig/ca.crt", 0o644),
    ("loaderconfig", "etc/mig/mig-loader.cfg", 0o600),
];
/// Is what it runs where something changed, or where the agent does not answer.
pub const TRIGGERS: [&str; 2] = ["mig-agent -q shutdown", "mig-agent -u"];

/// Is a loader on a host of its own.
pub struct Loader {
    root: TempDir,
    /// What it tells of its host.
    pub agent: Value,
    /// Whether an agent answers `mig-agent -q pid`.
    pub agent_answers: bool,
    ran: Mutex<Vec<String>>,
    client: Client,
    clock: Clock,
}

impl Loader {
    /// Sets a host up: settings, the key's file, and the public keys of whom it trusts. The API's address ends in a
    /// slash.
    pub fn on_host(api: &str, key: &str, trusted: &[String], clock: Clock) -> Self {
        let _once = rustls::crypto::ring::default_provider().install_default();
        let root = TempDir::new().unwrap();
        let mig = root.path().join("etc/mig");
        fs::create_dir_all(root.path().join("sbin")).unwrap();
        fs::create_dir_all(mig.join("loaderkeys")).unwrap();
        fs::write(mig.join("mig-loader.key"), format!("{key}\n")).unwrap();
        for (number, armored) in trusted.iter().enumerate() {
            fs::write(mig.join(format!("loaderkeys/{number}")), armored).unwrap();
        }
        let settings = format!(
            "[loader]\napi = \"{api}\"\ndiscoverpublicip = off\nrequiredsignatures = 1\n[logging]\nmode = \"stdout\"\n"
        );
        fs::write(mig.join("mig-loader.cfg"), settings).unwrap();
        Self {
            root,
            agent: agent("host1.example.net", "linux.q1"),
            agent_answers: true,
            ran: Mutex::default(),
            client: Client::builder().timeout(std::time::Duration::from_mins(1)).build().unwrap(),
            clock,
        }
    }

    /// Changes one of its settings.
    pub fn set(&self, name: &str, value: &str) {
        let path = self.root.path().join("etc/mig/mig-loader.cfg");
        let text = fs::read_to_string(&path).unwrap();
        let start = format!("{name} = ");
        assert!(text.contains(&start), "{text}");
        let lines = text.lines().map(|line| {
            let line =
                if line.starts_with(&start) { format!("{start}{value}") } else { line.into() };
            line + "\n"
        });
        fs::write(path, lines.collect::<String>()).unwrap();
    }

    fn setting(&self, name: &str) -> String {
        let text = fs::read_to_string(self.root.path().join("etc/mig/mig-loader.cfg")).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
        value.unwrap_or_default().trim_matches('"').to_owned()
    }

    /// Gives where a file belongs on this host.
    pub fn path(&self, name: &str) -> PathBuf {
        let (_, place, _) = PLACES.into_iter().find(|(known, ..)| *known == name).unwrap();
        self.root.path().join(place)
    }

    /// Gives what is in a file; none when it is not there.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }

    /// Gives a file's mode.
    pub fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    /// Gives what it ran since it was last asked.
    pub fn ran(&self) -> Vec<String> {
        std::mem::take(&mut *self.ran.lock().unwrap())
    }

    /// Makes one run; tells which files it replaced.
    pub async fn run(&self) -> Result<Vec<String>, String> {
        let key = fs::read_to_string(self.root.path().join("etc/mig/mig-loader.key")).unwrap();
        let key = key.lines().next().unwrap_or_default();
        if key.len() != 40 || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("the loader key is none".into());
        }
        let agent = self.environment().await?;
        let hashes: Vec<_> = PLACES
            .iter()
            .map(|(name, ..)| (*name, self.content(name).map(|content| hex(&content))))
            .collect();
        let (status, body) = self.ask("manifest/agent/", key, &agent, "").await;
        if status != 200 {
            return Err(format!("HTTP {status}: {}", body["collection"]["error"]["message"]));
        }
        let data = &body["collection"]["items"][0]["data"][0];
        assert_eq!(data["name"], "manifest");
        let manifest = &data["value"];
        if manifest["loader_name"].as_str().unwrap_or_default().is_empty() {
            return Err("no loader name".into());
        }
        self.verify(manifest)?;
        let mut replaced = Vec::new();
        for entry in manifest["entries"].as_array().unwrap() {
            let (name, sha256) =
                (entry["name"].as_str().unwrap(), entry["sha256"].as_str().unwrap());
            let Some((_, have)) = hashes.iter().find(|(known, _)| *known == name) else { continue };
            if have.as_deref() == Some(sha256) {
                give_mode(&self.path(name), name);
            } else {
                self.replace(key, &agent, name, sha256).await?;
                replaced.push(name.to_owned());
            }
        }
        let mut ran = self.ran.lock().unwrap();
        if replaced.is_empty() {
            ran.push("mig-agent -q pid".into());
        }
        if !replaced.is_empty() || !self.agent_answers {
            ran.extend(TRIGGERS.map(Into::into));
        }
        Ok(replaced)
    }

    /// Builds what it tells of its host; the address is asked for behind a slash too many.
    async fn environment(&self) -> Result<Value, String> {
        let mut agent = self.agent.clone();
        if self.setting("discoverpublicip") == "on" {
            let url = format!("{}/ip", self.setting("api"));
            let answer = self.client.get(url).send().await.unwrap();
            if answer.status() != 200 {
                return Err(format!("the address is not told: {}", answer.status()));
            }
            let text = answer.text().await.unwrap();
            let address: std::net::IpAddr =
                text.parse().map_err(|error| format!("{text:?}: {error}"))?;
            agent["environment"]["publicip"] = json!(address.to_string());
        }
        Ok(agent)
    }

    /// Checks the signatures over the JSON that it rebuilds: all must be good, each key counts once.
    fn verify(&self, manifest: &Value) -> Result<(), String> {
        let entries: Vec<String> = manifest["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| format!(r#"{{"name":{},"sha256":{}}}"#, entry["name"], entry["sha256"]))
            .collect();
        let text =
            format!(r#"{{"loader_name":"","entries":[{}],"signatures":[]}}"#, entries.join(","));
        let directory = fs::read_dir(self.root.path().join("etc/mig/loaderkeys")).unwrap();
        let keys: KeySet = directory
            .map(|file| {
                PublicKey::parse(&fs::read_to_string(file.unwrap().path()).unwrap()).unwrap()
            })
            .collect();
        let mut signers = Vec::new();
        for line in manifest["signatures"].as_array().into_iter().flatten() {
            let line = line.as_str().unwrap();
            let verified = keys
                .verify(line, text.as_bytes(), self.clock.now(), &Policy::default())
                .map_err(|error| format!("signature: {error}"))?;
            if signers.contains(&verified.fingerprint) {
                return Err("the same key twice".into());
            }
            signers.push(verified.fingerprint);
        }
        let required: usize = self.setting("requiredsignatures").parse().unwrap();
        if signers.len() < required {
            return Err(format!("{} of {required} signatures", signers.len()));
        }
        Ok(())
    }

    async fn replace(
        &self,
        key: &str,
        agent: &Value,
        name: &str,
        sha256: &str,
    ) -> Result<(), String> {
        // the status is not looked at: an answer without an item ends the run
        let (_, fetched) = self.ask("manifest/fetch/", key, agent, name).await;
        let data = fetched.pointer("/collection/items/0/data/0/value/data");
        let data = data.and_then(Value::as_str).ok_or("index out of range")?;
        let packed = STANDARD.decode(data).map_err(|error| error.to_string())?;
        let mut content = Vec::new();
        let unpacked = GzDecoder::new(packed.as_slice()).read_to_end(&mut content);
        unpacked.map_err(|error| error.to_string())?;
        let path = self.path(name);
        let beside = path.with_added_extension("loader");
        fs::write(&beside, &content).unwrap();
        give_mode(&beside, name);
        if hex(&fs::read(&beside).unwrap()) != sha256 {
            return Err(format!("{name} has another hash"));
        }
        if path.exists() {
            fs::rename(&path, path.with_added_extension("old")).unwrap();
        }
        fs::rename(&beside, &path).unwrap();
        Ok(())
    }

    /// Posts as Go's client does; gives the status and the body.
    async fn ask(&self, path: &str, key: &str, agent: &Value, object: &str) -> (u16, Value) {
        let parameters = json!({"agent": agent, "object": object}).to_string();
        let request = self
            .client
            .post(format!("{}{path}", self.setting("api")))
            .header("user-agent", "Go-http-client/1.1")
            .header("x-loaderkey", key)
            .form(&[("parameters", parameters)]);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(response.headers()["content-type"], "application/json");
        (status, response.json().await.unwrap())
    }
}

fn give_mode(path: &Path, name: &str) {
    let (.., mode) = PLACES.into_iter().find(|(known, ..)| *known == name).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Describes a host as `mig-loader` does.
pub fn agent(name: &str, queueloc: &str) -> Value {
    let none = "0001-01-01T00:00:00Z";
    json!({"name": name, "queueloc": queueloc, "mode": "", "pid": 100, "starttime": none,
        "destructiontime": none, "heartbeatts": none, "refreshts": none,
        "environment": {"init": "systemd", "ident": "Debian", "os": "linux", "arch": "amd64", "isproxied": false,
            "addresses": ["10.0.0.1/8"], "publicip": "127.0.0.1", "aws": {}},
        "tags": {"operator": "opsec"}})
}

fn hex(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}
