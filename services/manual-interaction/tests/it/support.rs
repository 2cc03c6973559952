//! The service with a database and a virtual host of its own, an ear on the exchange, and callers of every kind.

use manual_interaction::ManualInteraction;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use service::{Running, Settings, Shutdown};
use std::time::Duration;
use store::Store;
pub(crate) use testkit::{Answer, count};
use testkit::{Database, PATIENCE, Tap, Vhost, until};
use types::messages::manual::{CacaoVariable, ManualCommand};
use types::messages::{ManualRequested, ManualWithdrawn};
use types::{Clock, ExecutionId, Permission, StepRunId};
use uuid::Uuid;

pub(crate) const ALICE: &str = "alice-0123456789abcdef0123456789abcdef";
pub(crate) const BOB: &str = "bob00-0123456789abcdef0123456789abcdef";
pub(crate) const READER: &str = "reads-0123456789abcdef0123456789abcdef";
pub(crate) const NOBODY: &str = "nobod-0123456789abcdef0123456789abcdef";

pub(crate) const PLAYBOOK: &str = "playbook--00000001-0000-4000-8000-000000000001";
pub(crate) const STEP: &str = "action--00000003-0000-4000-8000-000000000003";

/// Is a service that runs.
pub(crate) struct Manual {
    pub(crate) running: Running<ManualInteraction>,
    pub(crate) clock: Clock,
    pub(crate) tap: Tap,
    pub(crate) vhost: Vhost,
    pub(crate) database: Database,
    pub(crate) client: Client,
}

/// Starts the service with a clock that stands until it is moved.
pub(crate) async fn manual() -> Manual {
    manual_with(&[]).await
}

/// Starts the service with some settings.
pub(crate) async fn manual_with(flags: &[&str]) -> Manual {
    // shown when a test fails
    let _first = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_test_writer()
        .try_init();
    let vhost = testkit::vhost().await;
    let tap = Tap::new(&vhost).await;
    let database = Database::new("manual", vec![messaging::MIGRATIONS, auth::MIGRATIONS]).await;
    investigators(&database.store()).await;
    let clock = Clock::fixed(truncated(Clock::system().now()));
    let running = start(database.url(), &vhost, &clock, flags).await;
    let client = Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    Manual { running, clock, tap, vhost, database, client }
}

/// Lets a database know four investigators.
pub(crate) async fn investigators(store: &Store) {
    let read = Permission::ManualRead.mask();
    let both = read | Permission::ManualRespond.mask();
    let known = [(1, ALICE, both), (2, BOB, both), (3, READER, read), (4, NOBODY, 0)];
    testkit::know(store, &known, auth::api_key_hash).await;
}

async fn start(
    database: &str,
    vhost: &Vhost,
    clock: &Clock,
    flags: &[&str],
) -> Running<ManualInteraction> {
    let common = [
        ["--database-url", database],
        ["--amqp-url", vhost.url()],
        ["--listen", "127.0.0.1:0"],
        ["--admin-listen", "127.0.0.1:0"],
    ];
    let flags = common.iter().flatten().chain(flags);
    let mut settings = Settings::<ManualInteraction>::parse(flags).unwrap();
    settings.clock = clock.clone();
    service::start(settings, Shutdown::new()).await.unwrap()
}

impl Manual {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    /// Calls with an API key, or with none when it is empty.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.client.request(method, self.url(path));
        if !key.is_empty() {
            request = request.header("x-migapikey", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.call(Method::GET, path, key, None).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, key, Some(body)).await
    }

    /// Posts bytes as they are.
    pub(crate) async fn raw(&self, body: &str) -> Answer {
        let request = self.client.post(self.url("/manual/continue")).header("x-migapikey", ALICE);
        Answer::of(request.body(body.to_owned()).send().await.unwrap()).await
    }

    /// Makes a step that waits for an hour.
    pub(crate) fn step(&self) -> ManualRequested {
        let now = self.clock.now();
        requested(now, now + Duration::from_hours(1))
    }

    /// Has the scheduler ask for a step, and waits until it stands there.
    pub(crate) async fn ask(&self, step: &ManualRequested) {
        self.vhost.publish("scheduler", self.clock.now(), step.clone()).await;
        let path = format!("/v1/steps/{}", step.step);
        until(PATIENCE, async || self.get(&path, READER).await.status == 200).await;
    }

    /// Asks for a new step.
    pub(crate) async fn asked(&self) -> ManualRequested {
        let step = self.step();
        self.ask(&step).await;
        step
    }

    /// Has the scheduler withdraw a step.
    pub(crate) async fn withdraw(&self, step: &ManualRequested) {
        let message = ManualWithdrawn {
            step: step.step,
            execution_id: step.execution_id,
            reason: "the execution was cancelled".into(),
        };
        self.vhost.publish("scheduler", self.clock.now(), message).await;
    }

    /// Gives a step as `/v1/steps` shows it.
    pub(crate) async fn shown(&self, step: &ManualRequested) -> Value {
        self.get(&format!("/v1/steps/{}", step.step), READER).await.expect(200).json()
    }

    /// Gives what happened to a step.
    pub(crate) async fn events(&self, step: &ManualRequested) -> Vec<String> {
        let shown = self.shown(step).await;
        let events = shown["events"].as_array().unwrap();
        events.iter().map(|event| event["what"].as_str().unwrap().to_owned()).collect()
    }

    /// Counts rows.
    pub(crate) async fn count(&self, from: &str) -> i64 {
        count(&self.database.store(), from).await
    }
}

/// Makes a step of an execution of its own.
pub(crate) fn requested(
    created: time::OffsetDateTime,
    deadline: time::OffsetDateTime,
) -> ManualRequested {
    let variable = |name: &str, kind: &str, value: &str, constant| CacaoVariable {
        name: name.into(),
        kind: kind.into(),
        description: "d".into(),
        value: value.into(),
        constant,
        external: false,
    };
    ManualRequested {
        step: StepRunId(Uuid::now_v7()),
        execution_id: ExecutionId(Uuid::now_v7()),
        playbook_id: PLAYBOOK.into(),
        playbook_name: "Lock out".into(),
        step_id: STEP.into(),
        run: 1,
        name: "ask the owner".into(),
        description: "step descr".into(),
        commands: vec![ManualCommand {
            kind: "manual".into(),
            command: "do X1 <now> & go".into(),
            base64: false,
            description: "cmd descr".into(),
            target: Some(json!({
                "id": "individual--0000003c-0000-4000-8000-00000000003c",
                "type": "individual",
                "name": "Ops",
            })),
        }],
        out_args: vec![
            variable("__count__", "integer", "1", false),
            variable("__note__", "string", "", false),
            variable("__fixed__", "string", "stays", true),
        ],
        created: truncated(created),
        deadline: truncated(deadline),
        assignee: None,
    }
}

/// Cuts a time to what PostgreSQL keeps.
fn truncated(at: time::OffsetDateTime) -> time::OffsetDateTime {
    at.replace_nanosecond(at.microsecond() * 1_000).unwrap()
}

/// Is the body of SOARCA's front ends that answers a step.
pub(crate) fn success(step: &ManualRequested) -> Value {
    json!({
        "type": "manual-step-response",
        "execution_id": step.execution_id,
        "playbook_id": step.playbook_id,
        "step_id": step.step_id,
        "response_status": "success",
        "response_out_args": {
            "__count__": {"type": "integer", "name": "__count__", "value": "7"},
            "__note__": {"value": "fine"},
        },
    })
}
