//! A process of loader-manifest on servers of its own, with three investigators, and people who call it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use diesel::sql_types::Timestamptz;
use diesel_async::RunQueryDsl;
use loader_manifest::LoaderManifest;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use service::{Running, Settings, Shutdown};
use signing::manifest::Builder;
pub(crate) use testkit::Answer;
use testkit::loader::Loader;
use testkit::{Database, PATIENCE, Tap, Vhost, keys};
use time::OffsetDateTime;
use time::macros::datetime;
use types::messages::InvestigatorChanged;
use types::{Clock, InvestigatorId, InvestigatorStatus, Permissions};

/// Are the investigators: each has every right, and an API key of the name.
pub(crate) const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];

/// Is a process that runs.
pub(crate) struct House {
    pub(crate) running: Running<LoaderManifest>,
    pub(crate) clock: Clock,
    pub(crate) client: Client,
    pub(crate) vhost: Vhost,
    pub(crate) tap: Tap,
    pub(crate) database: Database,
}

/// Gives the API key of a person.
pub(crate) fn api_key(name: &str) -> String {
    format!("{name}-0123456789abcdef0123456789")
}

/// Starts one.
pub(crate) async fn house(flags: &[&str]) -> House {
    let _once = rustls::crypto::ring::default_provider().install_default();
    let vhost = testkit::vhost().await;
    let tap = Tap::new(&vhost).await;
    let migrations = vec![messaging::MIGRATIONS, auth::MIGRATIONS];
    let database = Database::new("loader_manifest", migrations).await;
    let clock = Clock::fixed(Clock::system().now());
    let store = database.store();
    let mut conn = store.get().await.unwrap();
    // the copy counts as fresh, wherever a test moves its clock
    store::sql("insert into auth.digest (confirmed) values ($1)")
        .bind::<Timestamptz, _>(datetime!(2100-01-01 00:00 UTC))
        .execute(&mut conn)
        .await
        .unwrap();
    drop(conn);
    let running = start(database.url(), &vhost, &clock, flags).await;
    for name in PEOPLE {
        let (replica, state) = (&running.parts.replica, person(name, &clock));
        replica.apply(&mut running.parts.store.get().await.unwrap(), &state).await.unwrap();
        replica.learn(&[state]);
    }
    let client = Client::builder().timeout(PATIENCE).build().unwrap();
    House { running, clock, client, vhost, tap, database }
}

pub(crate) async fn start(
    database: &str,
    vhost: &Vhost,
    clock: &Clock,
    flags: &[&str],
) -> Running<LoaderManifest> {
    let common = [
        ["--database-url", database],
        ["--amqp-url", vhost.url()],
        ["--listen", "127.0.0.1:0"],
        ["--admin-listen", "127.0.0.1:0"],
        ["--public-url", "http://127.0.0.1:18340"],
    ];
    let flags = common.iter().flatten().chain(flags);
    let mut settings = Settings::<LoaderManifest>::parse(flags).unwrap();
    settings.clock = clock.clone();
    service::start(settings, Shutdown::new()).await.unwrap()
}

/// Gives a person as they are at first.
pub(crate) fn person(name: &str, clock: &Clock) -> InvestigatorChanged {
    let number = PEOPLE.iter().position(|known| *known == name).unwrap();
    let key = keys::of(name);
    InvestigatorChanged {
        id: InvestigatorId(i64::try_from(number).unwrap() + 1),
        name: name.into(),
        fingerprint: Some(key.public().fingerprint()),
        public_key: Some(key.public().armored()),
        status: InvestigatorStatus::Active,
        permissions: Permissions::all().0,
        api_key_sha256: Some(auth::api_key_hash(&api_key(name))),
        created: clock.now(),
        modified: clock.now(),
        version: 1,
    }
}

/// Packs files as `tar` and `gzip` do.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::default();
    for (name, content) in files {
        builder.add(name, u64::try_from(content.len()).unwrap(), *content).unwrap();
    }
    builder.finish().unwrap()
}

impl House {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    fn request(&self, method: Method, path: &str, who: &str) -> RequestBuilder {
        self.client.request(method, self.url(path)).header("x-migapikey", api_key(who))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path, "alice")).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::to(self.request(Method::POST, path, "alice").json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        Answer::to(self.request(Method::PATCH, path, "alice").json(body)).await
    }

    pub(crate) async fn form_as(&self, who: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        Answer::to(self.request(Method::POST, path, who).form(form)).await
    }

    pub(crate) async fn form(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.form_as("alice", path, form).await
    }

    /// Creates a loader as MIG's console does; gives its id and key.
    pub(crate) async fn new_loader(&self, name: &str, expect: &str) -> (i64, String) {
        let entry = json!({"id": 0, "name": name, "prefix": "", "key": "", "agentname": "",
            "lastseen": "0001-01-01T00:00:00Z", "enabled": false, "expectenv": expect});
        let made = self.form("/api/v1/loader/new/", &[("loader", &entry.to_string())]).await;
        let value = made.expect(201).value();
        let part = |name: &str| value[name].as_str().unwrap().to_owned();
        (value["id"].as_i64().unwrap(), part("prefix") + &part("key"))
    }

    /// Creates an enabled loader.
    pub(crate) async fn enabled_loader(&self, name: &str) -> (i64, String) {
        let (id, key) = self.new_loader(name, "").await;
        let form = [("loaderid", &*id.to_string()), ("status", "enabled")];
        self.form("/api/v1/loader/status/", &form).await.expect(200);
        (id, key)
    }

    /// Posts a manifest as MIG's console does.
    pub(crate) async fn post_manifest(&self, name: &str, target: &str, content: &str) -> Answer {
        let record = json!({"id": 0, "name": name, "content": content, "timestamp": "0001-01-01T00:00:00Z",
            "status": "staged", "target": target, "signatures": null});
        self.form("/api/v1/manifest/new/", &[("manifest", &record.to_string())]).await
    }

    /// Creates a staged manifest; gives its id.
    pub(crate) async fn new_manifest(
        &self,
        name: &str,
        target: &str,
        files: &[(&str, &[u8])],
    ) -> i64 {
        self.post_manifest(name, target, &STANDARD.encode(archive(files))).await.expect(201);
        self.texts("select max(id)::text as text from manifest").await[0].parse().unwrap()
    }

    /// Signs a manifest as MIG's console does: over what it has downloaded.
    pub(crate) async fn sign_as(&self, who: &str, id: i64) -> Answer {
        let line = self.signature(who, id).await;
        let form = [("manifestid", &*id.to_string()), ("signature", &*line)];
        self.form_as(who, "/api/v1/manifest/sign/", &form).await
    }

    pub(crate) async fn signature(&self, who: &str, id: i64) -> String {
        self.signature_at(who, id, self.clock.now()).await
    }

    pub(crate) async fn signature_at(&self, who: &str, id: i64, at: OffsetDateTime) -> String {
        let shown = self.get(&format!("/api/v1/manifest?manifestid={id}")).await.expect(200);
        let content = STANDARD.decode(shown.value()["content"].as_str().unwrap()).unwrap();
        let limits = signing::manifest::Limits::default();
        let files = signing::manifest::read(content.as_slice(), &limits, |_, _| Ok(())).unwrap();
        let files = files.iter().map(|file| (file.name.as_str(), file.sha256.as_str()));
        let text = signing::manifest::signed_string(files);
        keys::of(who).sign_line(text.as_bytes(), at).unwrap()
    }

    /// Creates a manifest and signs it; gives its id.
    pub(crate) async fn active_manifest(
        &self,
        name: &str,
        target: &str,
        files: &[(&str, &[u8])],
    ) -> i64 {
        let id = self.new_manifest(name, target, files).await;
        self.sign_as("alice", id).await.expect(200);
        id
    }

    pub(crate) async fn status_of(&self, id: i64) -> String {
        let shown = self.get(&format!("/v1/manifests/{id}")).await.expect(200).json();
        shown["status"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn set_status(&self, id: i64, status: &str) -> Answer {
        let form = [("manifestid", &*id.to_string()), ("status", status)];
        self.form("/api/v1/manifest/status/", &form).await
    }

    pub(crate) async fn count(&self, from: &str) -> i64 {
        testkit::count(&self.running.parts.store, from).await
    }

    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        testkit::texts(&self.running.parts.store, sql).await
    }

    /// Sets a host up that trusts these people.
    pub(crate) fn host(&self, key: &str, trusted: &[&str], required: usize) -> Loader {
        let trusted: Vec<_> =
            trusted.iter().map(|name| keys::of(name).public().armored()).collect();
        let loader = Loader::on_host(&self.url("/api/v1/"), key, &trusted, self.clock.clone());
        loader.set("requiredsignatures", &required.to_string());
        loader
    }
}
