//! A process of investigation-api on servers of its own, an administrator, an agent, and a caller.

use diesel::sql_types::{BigInt, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use investigation_api::InvestigationApi;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use service::{Running, Settings, Shutdown};
use store::sql;
use testkit::{Database, PATIENCE, Tap, Vhost, keys, until};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use tokio::time::Instant;
use types::messages::{AgentChanged, InvestigatorChanged};
use types::{
    Action, AgentId, AgentStatus, AgentUid, Clock, Environment, InvestigatorId, InvestigatorStatus,
    Message, Permissions, Transport,
};
use uuid::Uuid;

/// Is the API key of alice, the administrator.
pub(crate) const API_KEY: &str = "TestKeyOfAliceTestKeyOfAlice1234";

pub(crate) struct Process {
    pub(crate) running: Running<InvestigationApi>,
    pub(crate) tap: Tap,
    pub(crate) http: Client,
    pub(crate) now: OffsetDateTime,
    _database: Database,
    pub(crate) vhost: Vhost,
}

impl Process {
    /// Starts one that knows alice, who may do everything, bob, who is disabled, and the agent `web-1`.
    pub(crate) async fn new() -> Self {
        let _once = rustls::crypto::ring::default_provider().install_default();
        let (database, vhost) = (Database::new("api", vec![]).await, testkit::vhost().await);
        let tap = Tap::new(&vhost).await;
        let words = [
            ["--database-url", database.url()],
            ["--amqp-url", vhost.url()],
            ["--listen", "127.0.0.1:0"],
            ["--admin-listen", "127.0.0.1:0"],
            ["--database-pool", "6"],
            ["--workers", "1"],
        ];
        let settings = Settings::<InvestigationApi>::parse(words.as_flattened());
        let mut settings = settings.unwrap_or_else(|e| panic!("{e}"));
        let now = Clock::system().now();
        settings.clock = Clock::fixed(now);
        let running = service::start(settings, Shutdown::new()).await.unwrap();
        let http = Client::builder().build().unwrap();
        let process = Self { running, tap, http, now, _database: database, vhost };
        process.know(investigator(1, "alice", InvestigatorStatus::Active, now)).await;
        process.know(investigator(2, "bob", InvestigatorStatus::Disabled, now)).await;
        process.publish(agent(1, now)).await;
        until(PATIENCE, async || process.count("agent").await == 1).await;
        process
    }

    /// Puts an investigator in place, as the owner's table and as the copy have it.
    async fn know(&self, state: InvestigatorChanged) {
        let mut conn = self.running.parts.store.get().await.unwrap();
        sql("insert into investigator (id, name, fingerprint, status, permissions, created, modified)
             values ($1, $2, $3, $4, $5, $6, $6)")
        .bind::<BigInt, _>(state.id.0)
        .bind::<Text, _>(&state.name)
        .bind::<Text, _>(state.fingerprint.as_deref().unwrap())
        .bind::<Text, _>(state.status.name())
        .bind::<BigInt, _>(state.permissions)
        .bind::<Timestamptz, _>(self.now)
        .execute(&mut conn)
        .await
        .unwrap();
        let replica = &self.running.parts.replica;
        replica.apply(&mut conn, &state).await.unwrap();
        replica.learn(&[state]);
    }

    pub(crate) async fn publish<M: Message>(&self, message: M) {
        self.vhost.publish("another", self.now, message).await;
    }

    /// Publishes a message as it is, under this id.
    pub(crate) async fn publish_raw(&self, kind: &str, id: Uuid, body: &[u8]) {
        self.vhost.publish_raw(kind, id, body).await;
    }

    /// Puts another investigator in place.
    pub(crate) async fn add(
        &self,
        id: i64,
        name: &str,
        status: InvestigatorStatus,
        permissions: i64,
    ) {
        self.know(InvestigatorChanged { permissions, ..investigator(id, name, status, self.now) })
            .await;
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        testkit::count(&self.running.parts.store, table).await
    }

    /// Asks as alice.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Response {
        let url = format!("{}{path}", self.running.url());
        self.http.request(method, url).bearer_auth(API_KEY).body(body).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.ask(Method::GET, path, vec![]).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> (u16, Value) {
        let answer = self.ask(Method::POST, path, body.into()).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Posts an action as MIG's clients do.
    pub(crate) async fn post_form(&self, document: &str) -> (u16, Value) {
        let url = format!("{}/api/v1/action/create/", self.running.url());
        let request = self.http.post(url).header("x-migapikey", API_KEY);
        let answer = request.form(&[("action", document)]).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Waits until a page shows what is wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let last = self.get(path).await.1;
            if wanted(&last) {
                return last;
            }
            assert!(Instant::now() < end, "{path}: in vain: {last}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Gives an action over all agents that are online, for now.
    pub(crate) fn action(&self) -> Value {
        let text = |at: OffsetDateTime| at.format(&Rfc3339).unwrap();
        json!({
            "name": "look", "target": "status='online'", "syntaxversion": 2,
            "validfrom": text(self.now - Duration::minutes(1)),
            "expireafter": text(self.now + Duration::minutes(10)),
            "operations": [{"module": "file", "parameters": {"searches": {"s1": {"paths": ["/etc"]}}}}],
        })
    }

    /// Signs an action by these people.
    pub(crate) fn sign(&self, mut action: Value, signers: &[&str]) -> String {
        let read = Action::parse(action.to_string().as_bytes()).unwrap();
        let text = signing::action::signed_string(&read);
        let sign = |name: &&str| keys::of(name).sign_line(text.as_bytes(), self.now).unwrap();
        action["pgpsignatures"] = signers.iter().map(sign).collect();
        action.to_string()
    }
}

fn investigator(
    id: i64,
    name: &str,
    status: InvestigatorStatus,
    now: OffsetDateTime,
) -> InvestigatorChanged {
    let key = keys::of(name);
    let key = key.public();
    InvestigatorChanged {
        id: InvestigatorId(id),
        name: name.into(),
        fingerprint: Some(key.fingerprint()),
        public_key: Some(key.armored()),
        status,
        permissions: Permissions::all().0,
        api_key_sha256: (name == "alice").then(|| auth::api_key_hash(API_KEY)),
        created: now,
        modified: now,
        version: 1,
    }
}

pub(crate) fn agent(number: i64, now: OffsetDateTime) -> AgentChanged {
    AgentChanged {
        number: AgentId(number),
        id: AgentUid(Uuid::now_v7()),
        name: format!("web-{number}"),
        queueloc: format!("linux.{number}"),
        transport: Transport::Writ,
        mode: "daemon".into(),
        version: "0.1.0".into(),
        pid: 1,
        status: AgentStatus::Online,
        environment: Environment { modules: vec!["file".into()], ..Environment::default() },
        tags: [("role".to_owned(), "web".to_owned())].into(),
        loader_name: String::new(),
        team: None,
        plugins: vec![],
        started: now,
        last_seen: now,
        refreshed: now,
        conflict_since: None,
        revision: 1,
    }
}
