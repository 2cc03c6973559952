//! MIG's console at loaders and manifests, request by request (specs/mig/clients.md §3, loader.md §2), with a new token
//! for each request, against loader-manifest.

use crate::go::{Go, Proof};
use crate::world::start;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use loader_manifest::LoaderManifest;
use serde::Deserialize;
use serde_json::json;
use service::Running;
use signing::SecretKey;
use signing::manifest::{Builder, Limits, read, signed_string};
use testkit::{Database, Gpg, Vhost};
use time::OffsetDateTime;
use types::messages::InvestigatorChanged;
use types::{Clock, InvestigatorId, InvestigatorStatus};

/// Is a loader as the client's structure has it.
#[derive(Debug, Deserialize)]
struct LoaderEntry {
    id: f64,
    name: String,
    prefix: String,
    key: String,
    agentname: String,
    #[serde(with = "time::serde::rfc3339")]
    lastseen: OffsetDateTime,
    enabled: bool,
    expectenv: String,
}

/// Is a manifest as the client's structure has it.
#[derive(Debug, Deserialize)]
struct ManifestRecord {
    id: f64,
    name: String,
    content: String,
    #[serde(with = "time::serde::rfc3339")]
    timestamp: OffsetDateTime,
    status: String,
    target: String,
    signatures: Option<Vec<String>>,
}

/// Signs what the console signs: names and hashes of the files in the archive that it has downloaded.
fn sign(key: &SecretKey, archive: &[u8], at: OffsetDateTime) -> String {
    let files = read(archive, &Limits::default(), |_, _| Ok(())).unwrap();
    let text = signed_string(files.iter().map(|file| (file.name.as_str(), file.sha256.as_str())));
    key.sign_line(text.as_bytes(), at).unwrap()
}

struct House {
    running: Running<LoaderManifest>,
    key: SecretKey,
    _database: Database,
    _vhost: Vhost,
}

/// Starts loader-manifest; who asks has the one kind of key that all of MIG's clients and loaders can read.
async fn house() -> House {
    let (database, vhost) = (Database::new("compat", vec![]).await, testkit::vhost().await);
    let origin = ["--public-url", "https://writ.example.net"];
    let running: Running<LoaderManifest> = start(&database, &vhost, origin, Clock::system()).await;
    let gpg = Gpg::new();
    gpg.make("ann", "rsa2048", "sign", "never");
    let secret = gpg.text(&["--armor", "--export-secret-keys", "ann"], b"");
    let key = SecretKey::parse(&secret, None).unwrap();
    let now = Clock::system().now();
    let ann = InvestigatorChanged {
        id: InvestigatorId(2),
        name: "Ann".into(),
        fingerprint: Some(key.public().fingerprint()),
        public_key: Some(key.public().armored()),
        status: InvestigatorStatus::Active,
        permissions: 524_287,
        api_key_sha256: None,
        created: now,
        modified: now,
        version: 1,
    };
    let parts = &running.parts;
    parts.replica.apply(&mut parts.store.get().await.unwrap(), &ann).await.unwrap();
    parts.replica.refresh(&parts.store, now).await.unwrap();
    House { running, key, _database: database, _vhost: vhost }
}

impl House {
    fn console(&self) -> Go {
        let key = SecretKey::parse(&self.key.armored(), None).unwrap();
        Go::new(self.running.url(), Proof::Pgp(key))
    }

    /// Asks as a loader does that is not signed in; gives the status.
    async fn loader_status(&self, key: &str) -> u16 {
        let agent = json!({"agent": {"name": "host1", "queueloc": "linux.q1",
            "environment": {"os": "linux", "arch": "amd64", "isproxied": false, "aws": {}}, "tags": {}}, "object": ""});
        let client = reqwest::Client::builder().timeout(testkit::PATIENCE).build().unwrap();
        let request = client.post(format!("{}/api/v1/manifest/agent/", self.running.url()));
        let form = [("parameters", agent.to_string())];
        request.header("X-Loaderkey", key).form(&form).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_makes_and_keeps_loaders() {
    let house = house().await;
    let console = house.console();
    // create loader
    let entry = json!({"id": 0, "name": "khan", "prefix": "", "key": "", "agentname": "",
        "lastseen": "0001-01-01T00:00:00Z", "enabled": false, "expectenv": ""});
    let made: LoaderEntry =
        console.post("loader/new/", &[("loader", &entry.to_string())], 201).await.single("loader");
    assert_eq!((made.name.as_str(), made.prefix.len(), made.key.len()), ("khan", 8, 32));
    let id = format!("{:.0}", made.id);
    let shown = async || -> LoaderEntry {
        console.get(&format!("loader?loaderid={id}")).await.unwrap().single("loader")
    };
    let first = shown().await;
    assert_eq!((first.key.as_str(), first.agentname.as_str(), first.enabled), ("", "", false));
    assert!(Clock::system().now() - first.lastseen < time::Duration::hours(1));
    let key = format!("{}{}", made.prefix, made.key);
    assert_eq!(house.loader_status(&key).await, 401);
    // enable
    console.post("loader/status/", &[("loaderid", &id), ("status", "enabled")], 200).await;
    assert!(shown().await.enabled);
    assert_eq!(house.loader_status(&key).await, 404, "it is let in; there is nothing for it");
    // expectenv
    let wanted = "env#>>'{os}'='linux'";
    console.post("loader/expect/", &[("loaderid", &id), ("expectenv", wanted)], 200).await;
    assert_eq!(shown().await.expectenv, wanted);
    // key
    let again: LoaderEntry =
        console.post("loader/key/", &[("loaderid", &id)], 200).await.single("loader");
    assert_eq!((&again.prefix, again.key.len()), (&made.prefix, 32));
    assert_eq!(house.loader_status(&key).await, 401);
    assert_eq!(house.loader_status(&format!("{}{}", again.prefix, again.key)).await, 404);
    // disable
    console.post("loader/status/", &[("loaderid", &id), ("status", "disabled")], 200).await;
    assert!(!shown().await.enabled);
    assert!(console.get("loader?loaderid=99").await.unwrap_err().starts_with("HTTP 404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_makes_signs_resets_and_disables_manifests() {
    let house = house().await;
    let console = house.console();
    let entry = json!({"name": "khan", "expectenv": ""}).to_string();
    let loader: LoaderEntry =
        console.post("loader/new/", &[("loader", &entry)], 201).await.single("loader");
    let id = format!("{:.0}", loader.id);
    console.post("loader/status/", &[("loaderid", &id), ("status", "enabled")], 200).await;
    let key = format!("{}{}", loader.prefix, loader.key);
    house.loader_status(&key).await;

    // create manifest
    let mut archive = Builder::default();
    archive.add("configuration", 3, &b"one"[..]).unwrap();
    archive.add("mig-agent", 5, &b"agent"[..]).unwrap();
    let content = STANDARD.encode(archive.finish().unwrap());
    let record = json!({"id": 0, "name": "base", "content": content, "timestamp": "0001-01-01T00:00:00Z",
        "status": "staged", "target": "env#>>'{os}'='linux'", "signatures": null});
    let none = console.post("manifest/new/", &[("manifest", &record.to_string())], 201).await;
    assert!(none.items.is_empty());
    let shown = async || -> ManifestRecord {
        console.get("manifest?manifestid=1").await.unwrap().single("manifest")
    };
    // fetch, entry, shasum: all out of what is shown
    let first = shown().await;
    assert_eq!((first.id.to_string().as_str(), first.name.as_str()), ("1", "base"));
    assert_eq!((first.content.as_str(), first.signatures), (content.as_str(), None));
    assert_eq!((first.status.as_str(), first.target.as_str()), ("staged", "env#>>'{os}'='linux'"));
    assert!(Clock::system().now() - first.timestamp < time::Duration::hours(1));
    // sign
    let archive = STANDARD.decode(first.content).unwrap();
    let line = sign(&house.key, &archive, Clock::system().now());
    let form = [("manifestid", "1"), ("signature", line.as_str())];
    console.post("manifest/sign/", &form, 200).await;
    let signed = shown().await;
    assert_eq!((signed.status.as_str(), signed.signatures), ("active", Some(vec![line.clone()])));
    assert_eq!(house.loader_status(&key).await, 200);
    // loaders
    let path = "manifest/loaders/?manifestid=1";
    let listed: Vec<LoaderEntry> = console.get(path).await.unwrap().all("loader");
    assert_eq!((listed.len(), listed[0].agentname.as_str()), (1, "host1"));
    // reset
    console.post("manifest/status/", &[("manifestid", "1"), ("status", "staged")], 200).await;
    let reset = shown().await;
    assert_eq!((reset.status.as_str(), reset.signatures), ("staged", None));
    assert_eq!(house.loader_status(&key).await, 404);
    // what was signed may be signed anew
    console.post("manifest/sign/", &form, 200).await;
    assert_eq!(house.loader_status(&key).await, 200);
    // disable
    console.post("manifest/status/", &[("manifestid", "1"), ("status", "disabled")], 200).await;
    assert_eq!((shown().await.status.as_str(), house.loader_status(&key).await), ("disabled", 404));
    assert!(console.get(path).await.unwrap_err().starts_with("HTTP 404"));
}
