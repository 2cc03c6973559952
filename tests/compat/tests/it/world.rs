//! An investigation-api that knows what the recorded server knew: the same investigators, agents, actions and commands,
//! under the same numbers, told through the same messages and documents. The clock stands where the recording's stood,
//! so that recorded tokens and signatures count as they are. Beside it runs loader-manifest, which answers what is
//! recorded of loaders and manifests, and tells investigation-api of them.
//!
//! Long because the recorded world is told in one place.

use crate::capture::{Answer, Capture, all, exchange};
use diesel_async::RunQueryDsl;
use investigation_api::InvestigationApi;
use loader_manifest::LoaderManifest;
use serde_json::{Value, json};
use service::{Running, Service, Settings, Shutdown};
use std::sync::Mutex;
use testkit::{Database, PATIENCE, Vhost, until};
use time::OffsetDateTime;
use time::macros::datetime;
use types::messages::action::RunCounters;
use types::messages::command::{IssuedCommand, ReturnedCommand};
use types::messages::{
    ActionChanged, AgentChanged, CommandIssued, CommandReturned, InvestigatorChanged,
};
use types::{
    ActionId, AgentId, AgentStatus, AgentUid, Clock, CommandId, CommandStatus, InvestigatorId,
    InvestigatorStatus, Message, Transport,
};

/// Says when the recorded server was set up: Bob's row is from this time.
const BEGUN: OffsetDateTime = datetime!(2026-11-21 18:29:28.336873 UTC);
/// Says what the recording's host was called.
const ORIGIN: &str = "http://127.0.0.1:18340";
/// Is the key under which fixtures are posted, by investigator 1, whom the recording does not ask for.
const FIXTURE_KEY: &str = "fixturesFixturesFixtures01234567";
/// Is the API key of Ann, who does at loader-manifest what was not recorded.
const ANNS_KEY: &str = "annsannsannsannsannsannsannsanns";
/// Is the API key of investigator 5 in the recording.
const KEY_ONLY: &str = "gwK3L5CzR4JrTzQDUA6yawYf41dnvrSH";
/// Gives the mask of `search` and `dashboard`.
const SEARCH_DASHBOARD: i64 = 1 | 32;
const ALL: i64 = 524_287;

pub(crate) struct World {
    pub(crate) running: Running<InvestigationApi>,
    pub(crate) captures: Vec<Capture>,
    clock: Clock,
    vhost: Vhost,
    loaders: Running<LoaderManifest>,
    /// The key that loader 1 has now, in the place of the recorded one.
    loader_key: Mutex<String>,
    _databases: [Database; 2],
}

/// Starts a service with a flag more than it needs.
pub(crate) async fn start<S: Service>(
    database: &Database,
    vhost: &Vhost,
    flag: [&str; 2],
    clock: Clock,
) -> Running<S> {
    let words = [
        ["--database-url", database.url()],
        ["--amqp-url", vhost.url()],
        ["--listen", "127.0.0.1:0"],
        ["--admin-listen", "127.0.0.1:0"],
        flag,
    ];
    let mut settings = Settings::<S>::parse(words.as_flattened()).unwrap();
    settings.clock = clock;
    service::start(settings, Shutdown::new()).await.unwrap()
}

impl World {
    /// Starts one as the recording began: Bob, agent a1 and its first action.
    pub(crate) async fn begin() -> Self {
        let vhost = testkit::vhost().await;
        let databases =
            [Database::new("compat", vec![]).await, Database::new("compat", vec![]).await];
        let clock = Clock::fixed(BEGUN);
        let origin = ["--public-url", ORIGIN];
        let running = start(&databases[0], &vhost, origin, clock.clone()).await;
        let loaders = start(&databases[1], &vhost, origin, clock.clone()).await;
        let world = Self {
            running,
            captures: all(),
            clock,
            vhost,
            loaders,
            loader_key: Mutex::default(),
            _databases: databases,
        };
        world.add(1, "migscheduler", 4, Some(key("scheduler")), Some(FIXTURE_KEY)).await;
        world.add(2, "Bob Investigator", ALL, Some(key("bob")), None).await;
        world.agent(0).await;
        world.action(&Past::of(&world, 203, 1)).await;
        // it was counted before there were agents, and is not counted again so soon
        world.sql("update agent_stats set counted = '-infinity'").await;
        world.running.service.app.count_fleet().await.unwrap();
        world
    }

    async fn sql(&self, statement: &str) {
        let mut conn = self.running.parts.store.get().await.unwrap();
        store::sql(statement).execute(&mut conn).await.unwrap();
    }

    /// Writes an investigator and its next state into table, copy and memory.
    pub(crate) async fn add(
        &self,
        id: i64,
        name: &str,
        permissions: i64,
        key: Option<String>,
        api_key: Option<&str>,
    ) {
        let quoted = |text: Option<String>| text.map_or("null".into(), |text| format!("'{text}'"));
        let fingerprint =
            key.as_deref().map(|key| signing::PublicKey::parse(key).unwrap().fingerprint());
        let at = self.clock.now();
        self.sql(&format!(
            "insert into investigator (id, name, fingerprint, public_key, status, permissions, api_key_sha256, created, modified)
             values ({id}, '{name}', {}, {}, 'active', {permissions}, {}, '{at}', '{at}')",
            quoted(fingerprint), quoted(key), quoted(api_key.map(auth::api_key_hash)),
        ))
        .await;
        self.learn().await;
    }

    /// Copies the investigators' table to where requests read it.
    pub(crate) async fn learn(&self) {
        let columns = "id, name, fingerprint, public_key, status, permissions, api_key_sha256, created, modified, version";
        self.sql(&format!(
            "insert into auth.investigator ({columns}) select {columns} from investigator
             on conflict (id) do update set status = excluded.status, permissions = excluded.permissions,
                 api_key_sha256 = excluded.api_key_sha256, modified = excluded.modified,
                 version = excluded.version",
        ))
        .await;
        let parts = &self.running.parts;
        parts.replica.refresh(&parts.store, self.clock.now()).await.unwrap();
        let others = &self.loaders.parts;
        let mut conn = others.store.get().await.unwrap();
        let mut states: Vec<_> = parts.replica.current().iter().cloned().collect();
        states.push(ann(self.clock.now()));
        for state in &states {
            others.replica.apply(&mut conn, state).await.unwrap();
        }
        others.replica.learn(&states);
    }

    /// Changes an investigator's row as another process would.
    pub(crate) async fn change(&self, id: i64, set: &str) {
        self.sql(&format!("update investigator set {set}, version = version + 1 where id = {id}"))
            .await;
        self.learn().await;
    }

    /// Moves the clock to `at`; what was confirmed before stays fresh.
    pub(crate) async fn at(&self, at: OffsetDateTime) {
        let by = at - self.clock.now();
        assert!(!by.is_negative() || by > -time::Duration::SECOND, "the recording goes back: {at}");
        self.clock.advance(by);
        for parts in [&self.running.parts, &self.loaders.parts] {
            parts.replica.refresh(&parts.store, self.clock.now()).await.unwrap();
        }
    }

    async fn publish<M: Message>(&self, message: M) {
        self.vhost.publish("another", self.clock.now(), message).await;
    }

    async fn count(&self, what: &str) -> i64 {
        testkit::count(&self.running.parts.store, what).await
    }

    /// Sends a recorded request at its time.
    pub(crate) async fn send(&self, capture: &Capture) -> Answer {
        self.at(capture.at).await;
        let path = capture.path();
        if !path.starts_with("/api/v1/loader") && !path.starts_with("/api/v1/manifest") {
            return exchange(self.running.address, &capture.request).await;
        }
        let request = with_key(&capture.request, &self.loader_key.lock().unwrap());
        let answer = exchange(self.loaders.address, &request).await;
        if capture.number == LOADER_1 {
            *self.loader_key.lock().unwrap() = loader_key(&answer);
        }
        answer
    }

    /// Asks loader-manifest as Ann, who is known nowhere else and may do everything there.
    async fn ask_loaders(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = format!(
            "POST /api/v1/{path} HTTP/1.1\r\nhost: writ\r\nx-migapikey: {ANNS_KEY}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{form}",
            form.len()
        );
        let answer = exchange(self.loaders.address, request.as_bytes()).await;
        assert!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
        answer
    }

    async fn loaders_sql(&self, statement: &str) {
        let mut conn = self.loaders.parts.store.get().await.unwrap();
        store::sql(statement).execute(&mut conn).await.unwrap();
    }

    /// Posts a manifest that the recording shows only afterwards: the content of the recorded one under another name.
    async fn second_manifest(&self) {
        let shown = value(&self.captures, 151, "manifest").remove(0);
        let record = json!({"name": "second", "target": shown["target"], "status": "staged", "content": shown["content"]});
        self.ask_loaders("manifest/new/", &[("manifest", &record.to_string())]).await;
    }

    /// Tells of the n-th agent of recording 275, from the third on as the others saw it.
    async fn agent(&self, fewer: usize) {
        // the newest come first there
        let rows = value(&self.captures, 275, "agent");
        for (number, row) in
            rows.iter().rev().enumerate().skip(fewer).take(if fewer == 0 { 1 } else { 2 })
        {
            let agent: types::Agent = serde_json::from_value(row.clone()).unwrap();
            self.publish(AgentChanged {
                number: agent.id,
                id: AgentUid(uuid::Uuid::now_v7()),
                name: agent.name,
                queueloc: agent.queueloc,
                transport: Transport::Mig,
                mode: agent.mode,
                version: agent.version,
                pid: agent.pid,
                status: AgentStatus::Online,
                environment: agent.environment,
                tags: agent.tags,
                loader_name: String::new(),
                team: None,
                plugins: vec![],
                started: agent.starttime,
                last_seen: agent.heartbeatts,
                refreshed: agent.refreshts,
                conflict_since: None,
                revision: 1,
            })
            .await;
            let wanted = i64::try_from(number).unwrap() + 1;
            until(PATIENCE, async || self.count("agent").await == wanted).await;
        }
    }

    /// Posts an action of the recording, and tells how it went.
    async fn action(&self, past: &Past) {
        let id = past.action["id"].as_i64().unwrap();
        self.next_action(id).await;
        let mut document = past.action.clone();
        for given in [
            "id",
            "investigators",
            "status",
            "counters",
            "starttime",
            "finishtime",
            "lastupdatetime",
        ] {
            document.as_object_mut().unwrap().remove(given);
        }
        let document = document.to_string();
        let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        let url = format!("{}/api/v1/action/create/", self.running.url());
        let request = client.post(url).header("x-migapikey", FIXTURE_KEY);
        let answer = request.form(&[("action", &document)]).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
        let time = |value: &Value| -> OffsetDateTime {
            let text = value.as_str().unwrap();
            OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap()
        };
        let action = ActionId(id);
        for command in &past.commands {
            let id = CommandId(command["id"].as_i64().unwrap());
            let agent = AgentId(command["agent"]["id"].as_i64().unwrap());
            self.publish(CommandIssued {
                action,
                document: document.clone(),
                at: time(&command["starttime"]),
                expire_after: time(&past.action["expireafter"]),
                commands: vec![IssuedCommand { id, agent, failed: None }],
            })
            .await;
            let returned = ReturnedCommand {
                id,
                action,
                agent,
                status: CommandStatus::parse(command["status"].as_str().unwrap()).unwrap(),
                results: serde_json::from_value(command["results"].clone()).unwrap(),
                at: time(&command["finishtime"]),
                given_up: false,
            };
            let known = format!("command where id = {id}");
            until(PATIENCE, async || self.count(&known).await == 1).await;
            self.publish(CommandReturned { commands: vec![returned] }).await;
        }
        let counter = |name: &str| past.action["counters"][name].as_i64().unwrap_or_default();
        self.publish(ActionChanged {
            id: action,
            status: past.action["status"].as_str().unwrap().into(),
            reason: None,
            counters: RunCounters {
                targeted: counter("sent"),
                success: counter("success"),
                failed: counter("failed"),
                ..RunCounters::default()
            },
            started: Some(time(&past.action["starttime"])),
            finished: Some(time(&past.action["finishtime"])),
            at: time(&past.action["lastupdatetime"]),
            version: 9,
            wave: 0,
            held: 0,
        })
        .await;
        let open = format!("command where action_id = {id} and results is null");
        let over = format!("action where id = {id} and status = 'completed'");
        until(PATIENCE, async || self.count(&open).await == 0 && self.count(&over).await == 1)
            .await;
    }

    /// Does what happened in the recording between what was kept and `number`.
    pub(crate) async fn before(&self, number: u16) {
        match number {
            // Carl was created in 046, and a number was spent on each that failed; 054 made one without a key
            47 => {
                let carl = key("carl");
                // 045 works here
                self.change(2, &format!("permissions = {ALL}, modified = '{BEGUN}'")).await;
                self.at(datetime!(2026-11-21 18:33:01 UTC)).await;
                self.add(3, "Carl", 63, Some(carl), None).await;
                self.add(5, "Key Only", SEARCH_DASHBOARD, None, None).await;
            }
            // the number after those
            55 => self.sql("select setval('investigator_id_seq', 5)").await,
            79 => {
                let hash = auth::api_key_hash(KEY_ONLY);
                self.change(5, &format!("api_key_sha256 = '{hash}'")).await;
            }
            85 => self.change(5, "api_key_sha256 = null").await,
            // 088: Eve is active again, and may see the dashboard
            89 => self.change(6, "status = 'active', permissions = 1 | 16 | 32").await,
            // the name was taken the first time, which cost a number
            97 => self.loaders_sql("select setval('loader_id_seq', 2)").await,
            151 => self.second_manifest().await,
            // 120 and 156: it has another key
            157 => {
                let form = [("loaderid", "1")];
                let answer = self.ask_loaders("loader/key/", &form).await;
                *self.loader_key.lock().unwrap() = loader_key(&answer);
            }
            // what is told of loaders and manifests has arrived
            187 => {
                let known = "loader where agent_name = 'host1.example.net' and enabled";
                until(PATIENCE, async || self.count(known).await == 1).await;
                let known = "manifest where status = 'active'";
                until(PATIENCE, async || self.count(known).await == 1).await;
            }
            327 => {
                self.loaders_sql("select setval('loader_id_seq', 5)").await;
                let form = [("loader", r#"{"name":"real"}"#)];
                self.ask_loaders("loader/new/", &form).await;
            }
            165 => {
                self.at(datetime!(2026-11-21 18:35:00 UTC)).await;
                self.agent(1).await;
                self.action(&Past::of(self, 203, 0)).await;
            }
            305 => self.next_action(28_051_219_611_889).await,
            311 => self.next_action(28_051_219_611_899).await,
            _ => {}
        }
    }

    /// Says which number the next action gets: the recorded server spent one on each request.
    async fn next_action(&self, id: i64) {
        self.sql(&format!("select setval('action_id_seq', {id}, false)")).await;
    }
}

/// Describes Ann.
fn ann(at: OffsetDateTime) -> InvestigatorChanged {
    let key = testkit::keys::of("ann");
    InvestigatorChanged {
        id: InvestigatorId(100),
        name: "Ann".into(),
        fingerprint: Some(key.public().fingerprint()),
        public_key: Some(key.public().armored()),
        status: InvestigatorStatus::Active,
        permissions: ALL,
        api_key_sha256: Some(auth::api_key_hash(ANNS_KEY)),
        created: at,
        modified: at,
        version: 1,
    }
}

/// Is the recording in which loader 1 is made.
const LOADER_1: u16 = 95;

/// Puts the key that loader 1 has now in the place of a recorded one, which begins with the recorded prefix.
fn with_key(request: &[u8], key: &str) -> Vec<u8> {
    let mark = b"X-LOADERKEY: iTt22rPb";
    let mut request = request.to_vec();
    if let Some(at) = request.windows(mark.len()).position(|window| window == mark) {
        let start = at + mark.len() - 8;
        request[start..start + key.len()].copy_from_slice(key.as_bytes());
    }
    request
}

/// Reads the key out of an answer that shows one.
fn loader_key(answer: &Answer) -> String {
    let shown: Value = serde_json::from_str(&answer.body).unwrap();
    let loader = &shown["collection"]["items"][0]["data"][0]["value"];
    let part = |name: &str| loader[name].as_str().unwrap().to_owned();
    part("prefix") + &part("key")
}

/// Gives the key of someone in the recording.
fn key(name: &str) -> String {
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/signing/tests/vectors");
    std::fs::read_to_string(format!("{vectors}/{name}.asc")).unwrap()
}

/// Is an action that is over, with its commands.
struct Past {
    action: Value,
    commands: Vec<Value>,
}

impl Past {
    /// Takes the n-th action from recording `number`, and its commands from 219.
    fn of(world: &World, number: u16, row: usize) -> Self {
        let action = value(&world.captures, number, "action")[row].clone();
        let mut commands = value(&world.captures, 219, "command");
        commands.retain(|command| command["action"]["id"] == action["id"]);
        Self { action, commands }
    }
}

/// Gives the values of this name in the answer of recording `number`.
fn value(captures: &[Capture], number: u16, name: &str) -> Vec<Value> {
    let capture = captures.iter().find(|capture| capture.number == number).unwrap();
    let answer: Value = serde_json::from_str(&capture.answer.body).unwrap();
    let items = answer["collection"]["items"].as_array().unwrap();
    let data = items.iter().flat_map(|item| item["data"].as_array().unwrap());
    data.filter(|data| data["name"] == json!(name)).map(|data| data["value"].clone()).collect()
}
