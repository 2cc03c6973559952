//! A loader that does exactly what `mig-loader` does (specs/mig/loader.md §4): order, headers, hashes, the signatures by the keys
//! on its disk, each file replaced at once or not at all.

use crate::house::House;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use reqwest::Client;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use signing::{KeySet, Policy, PublicKey};
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use tempfile::TempDir;
use types::Clock;

/// Lists the files that it knows, and where they belong below its root.
const PLACES: [(&str, &str); 7] = [
    ("mig-agent", "sbin/mig-agent"),
    ("mig-loader", "sbin/mig-loader"),
    ("configuration", "etc/mig/mig-agent.cfg"),
    ("agentcert", "etc/mig/agent.crt"),
    ("agentkey", "etc/mig/agent.key"),
    ("cacert", "etc/mig/ca.crt"),
    ("loaderconfig", "etc/mig/mig-loader.cfg"),
];

/// Is a loader on a host of its own.
pub(crate) struct Loader {
    root: TempDir,
    /// The API's address; it ends in a slash.
    api: String,
    key: String,
    pub(crate) required: usize,
    pub(crate) agent: Value,
    client: Client,
    clock: Clock,
}

impl Loader {
    /// Sets a host up: the key's file, and the public keys of whom it trusts.
    pub(crate) fn new(house: &House, key: &str, trusted: &[&str], required: usize) -> Self {
        let root = TempDir::new().unwrap();
        for directory in ["sbin", "etc/mig/loaderkeys"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        fs::write(root.path().join("etc/mig/mig-loader.key"), format!("{key}\n")).unwrap();
        for name in trusted {
            let armored = testkit::keys::of(name).public().armored();
            fs::write(root.path().join("etc/mig/loaderkeys").join(name), armored).unwrap();
        }
        let text = fs::read_to_string(root.path().join("etc/mig/mig-loader.key")).unwrap();
        Self {
            key: text.lines().next().unwrap().to_owned(),
            root,
            api: house.url("/api/v1/"),
            required,
            agent: agent("host1.example.net", "linux.q1"),
            client: house.client.clone(),
            clock: house.clock.clone(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let (_, place) = PLACES.into_iter().find(|(known, _)| *known == name).unwrap();
        self.root.path().join(place)
    }

    pub(crate) fn content(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path(name)).ok()
    }

    /// Makes one run; tells which files it replaced.
    pub(crate) async fn run(&self) -> Result<Vec<String>, String> {
        let hashes: Vec<_> = PLACES
            .iter()
            .map(|(name, _)| (*name, self.content(name).map(|content| hex(&content))))
            .collect();
        let manifest = self.ask("manifest/agent/", "", "manifest").await?;
        let name = manifest["loader_name"].as_str().unwrap_or_default();
        if name.is_empty() {
            return Err("no loader name".into());
        }
        self.verify(&manifest)?;
        let mut replaced = Vec::new();
        for entry in manifest["entries"].as_array().unwrap() {
            let (name, sha256) =
                (entry["name"].as_str().unwrap(), entry["sha256"].as_str().unwrap());
            let Some((_, have)) = hashes.iter().find(|(known, _)| *known == name) else { continue };
            if have.as_deref() != Some(sha256) {
                self.replace(name, sha256).await?;
                replaced.push(name.to_owned());
            }
        }
        Ok(replaced)
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
        if signers.len() < self.required {
            return Err(format!("{} of {} signatures", signers.len(), self.required));
        }
        Ok(())
    }

    async fn replace(&self, name: &str, sha256: &str) -> Result<(), String> {
        let fetched = self.ask("manifest/fetch/", name, "content").await?;
        let packed = STANDARD.decode(fetched["data"].as_str().unwrap()).unwrap();
        let mut content = Vec::new();
        GzDecoder::new(packed.as_slice()).read_to_end(&mut content).unwrap();
        let path = self.path(name);
        let beside = path.with_added_extension("loader");
        fs::write(&beside, &content).unwrap();
        if hex(&fs::read(&beside).unwrap()) != sha256 {
            return Err(format!("{name} has another hash"));
        }
        if path.exists() {
            fs::rename(&path, path.with_added_extension("old")).unwrap();
        }
        fs::rename(&beside, &path).unwrap();
        Ok(())
    }

    /// Posts as Go's client does; gives the value of the one item.
    async fn ask(&self, path: &str, object: &str, wanted: &str) -> Result<Value, String> {
        let parameters = json!({"agent": self.agent, "object": object}).to_string();
        let request = self
            .client
            .post(format!("{}{path}", self.api))
            .header("user-agent", "Go-http-client/1.1")
            .header("x-loaderkey", &self.key)
            .form(&[("parameters", parameters)]);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(response.headers()["content-type"], "application/json");
        let body: Value = response.json().await.unwrap();
        if status != 200 {
            return Err(format!("HTTP {status}: {}", body["collection"]["error"]["message"]));
        }
        let data = &body["collection"]["items"][0]["data"][0];
        assert_eq!(data["name"], wanted);
        Ok(data["value"].clone())
    }
}

/// Describes a host as `mig-loader` does.
pub(crate) fn agent(name: &str, queueloc: &str) -> Value {
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
