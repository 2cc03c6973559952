//! A process of the scheduler that callers ask, and the manual steps that it puts before people.

use crate::support::{Process, Servers, investigator};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use testkit::{PATIENCE, until};
use types::messages::manual::ManualOutcome;
use types::messages::{InvestigatorChanged, ManualAnswered, ManualRequested};

pub(crate) const KEY: &str = "alice-0123456789abcdef0123456789";

/// Is the process with a client.
pub(crate) struct House {
    pub(crate) process: Process,
    pub(crate) client: Client,
}

/// Gives alice with an API key.
pub(crate) fn alice(version: i64, permissions: i64) -> InvestigatorChanged {
    let api_key_sha256 = Some(auth::api_key_hash(KEY));
    InvestigatorChanged { api_key_sha256, version, permissions, ..investigator(1, "alice") }
}

impl House {
    pub(crate) async fn new(flags: &[&str]) -> Self {
        Self::on(Servers::new().await, flags).await
    }

    pub(crate) async fn on(servers: Servers, flags: &[&str]) -> Self {
        let _once = rustls::crypto::ring::default_provider().install_default();
        let mut process = Process::on(servers, flags).await;
        process.know(alice(2, types::Permissions::all().0)).await;
        let client = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        Self { process, client }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.process.running.url())
    }

    /// Asks with alice's key, and gives status and JSON.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> (StatusCode, Value) {
        let mut request = self.client.request(method, self.url(path)).header("x-migapikey", KEY);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Begins a run of a playbook that comes with the request.
    pub(crate) async fn trigger(&self, playbook: &Value) -> String {
        let (status, body) =
            self.ask(Method::POST, "/trigger/playbook", Some(playbook.to_string())).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["payload"], playbook["id"]);
        body["execution_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn execution(&self, id: &str) -> Value {
        self.get(&format!("/v1/executions/{id}")).await
    }

    /// Waits until an execution is in a state.
    pub(crate) async fn until(&self, id: &str, state: &str) -> Value {
        until(PATIENCE, async || {
            let now = self.execution(id).await;
            let over = !matches!(now["state"].as_str().unwrap(), "running" | "waiting");
            assert!(now["state"] == state || !over, "will never be {state}: {now:#}");
            now["state"] == state
        })
        .await;
        self.execution(id).await
    }

    /// Takes the next manual step that people are asked to do.
    pub(crate) async fn asked(&mut self) -> ManualRequested {
        self.process.tap.next::<ManualRequested>().await.data
    }

    /// Answers a manual step, as manual-interaction would.
    pub(crate) async fn answer(
        &self,
        asked: &ManualRequested,
        outcome: ManualOutcome,
        values: &[(&str, &str)],
    ) {
        let variables: BTreeMap<_, _> =
            values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answered = ManualAnswered {
            step: asked.step,
            execution_id: asked.execution_id,
            outcome,
            variables,
            answered_by: "bob".into(),
            at: self.process.clock.now(),
        };
        self.process.publish(answered).await;
    }

    pub(crate) async fn done(&self, asked: &ManualRequested, values: &[(&str, &str)]) {
        self.answer(asked, ManualOutcome::Success, values).await;
    }
}

/// Reads one of the playbooks of the field.
pub(crate) fn field(name: &str) -> Value {
    let path = format!("{}/tests/playbooks/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Makes a playbook out of steps; `s` leads to `a`, and `e` is the end.
pub(crate) fn playbook(steps: Value, rest: &Value) -> Value {
    let mut whole = field("one-question");
    whole["id"] = json!(format!("playbook--{}", uuid::Uuid::now_v7()));
    whole["workflow_start"] = json!("s");
    whole["workflow"] = steps;
    whole["workflow"]["s"] = json!({"type": "start", "on_completion": "a"});
    whole["workflow"]["e"] = json!({"type": "end"});
    whole.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    whole
}
