//! An investigation-api that knows what the recorded server knew: the same investigators, agents, actions and commands,
//! under the same numbers, told through the same messages and documents. The clock stands where the recording's stood, so
//! that recorded tokens and signatures count as they are.

use crate::capture::{Answer, Capture, all, exchange};
use diesel_async::RunQueryDsl;
use investigation_api::InvestigationApi;
use serde_json::{Value, json};
use service::{Running, Settings, Shutdown};
use testkit::{Database, PATIENCE, Vhost, until};
use time::OffsetDateTime;
use time::macros::datetime;
use types::messages::action::RunCounters;
use types::messages::command::{IssuedCommand, ReturnedCommand};
use types::messages::{ActionChanged, AgentChanged, CommandIssued, CommandReturned};
use types::{
    ActionId, AgentId, AgentStatus, AgentUid, Clock, CommandId, CommandStatus, Message, Transport,
};

/// Says when the recorded server was set up: Bob's row is from this time.
const BEGUN: OffsetDateTime = datetime!(2026-11-21 18:29:28.336873 UTC);
/// Says what the recording's host was called.
const ORIGIN: &str = "http://127.0.0.1:18340";
/// Is the key under which fixtures are posted, by investigator 1, whom the recording does not ask for.
const FIXTURE_KEY: &str = "fixturesFixturesFixtures01234567";
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
    _database: Database,
}

impl World {
    /// Starts one as the recording began: Bob, agent a1 and its first action.
    pub(crate) async fn begin() -> Self {
        let (database, vhost) = (Database::new("compat", vec![]).await, testkit::vhost().await);
        let words = [
            ["--database-url", database.url()],
            ["--amqp-url", vhost.url()],
            ["--listen", "127.0.0.1:0"],
            ["--admin-listen", "127.0.0.1:0"],
            ["--public-url", ORIGIN],
        ];
        let mut settings = Settings::<InvestigationApi>::parse(words.as_flattened()).unwrap();
        let clock = Clock::fixed(BEGUN);
        settings.clock = clock.clone();
        let running = service::start(settings, Shutdown::new()).await.unwrap();
        let world = Self { running, captures: all(), clock, vhost, _database: database };
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
        let parts = &self.running.parts;
        parts.replica.refresh(&parts.store, self.clock.now()).await.unwrap();
    }

    async fn publish<M: Message>(&self, message: M) {
        self.vhost.publish("another", self.clock.now(), message).await;
    }

    async fn count(&self, what: &str) -> i64 {
        #[derive(diesel::QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            count: i64,
        }
        let mut conn = self.running.parts.store.get().await.unwrap();
        let query = store::sql(format!("select count(*) as count from {what}"));
        query.get_result::<Count>(&mut conn).await.unwrap().count
    }

    /// Sends a recorded request at its time.
    pub(crate) async fn send(&self, capture: &Capture) -> Answer {
        self.at(capture.at).await;
        exchange(self.running.address, &capture.request).await
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
